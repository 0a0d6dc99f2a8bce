export { assemble, type Assembled, type Policy, ruleFile } from './assemble.ts';
export { type Case, casesOf, principalOf, targetOf } from './cases.ts';
export { type Asked, createEngine, type Engine } from './engine.ts';
export { type PolicyText, readFolder } from './folder.ts';
export { type LivePolicy, openPolicy, type PolicyDeps } from './live.ts';
export { type Failure, runTests, type TestReport } from './run.ts';
export { testFile } from './test-file.ts';
export { type Judged, judgeFolder, type JudgeOptions, judgeTexts, untestedLines } from './verdict.ts';
export { type KeptVersion, type Pin, policyVersions, type Versions } from './versions.ts';
