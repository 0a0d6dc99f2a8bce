// Who may import whom (docs/architecture.md). Each rule says which attack or rot it stops.
const stages = 'receive|authenticate|resolve|authorize|validate|limit|approve|dispatch|inspect|audit';
const rooms = `${stages}|admin|egress|sandbox|secrets|store|config|observe`;
const tests = '\\.test\\.ts$';
module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'call-and-lib-import-nothing', comment: 'the vocabulary knows nobody', severity: 'error', from: { path: '^src/(call|lib)/', pathNot: tests }, to: { path: '^(src|node_modules)/', pathNot: '^src/(call|lib)/' } },
    { name: 'pipeline-knows-only-the-vocabulary', severity: 'error', from: { path: '^src/pipeline\\.ts' }, to: { path: '^src/', pathNot: '^src/call/' } },
    { name: 'stages-do-not-know-each-other', comment: 'a stage that reaches into another can skip what stands between them', severity: 'error', from: { path: `^src/(${stages})/`, pathNot: tests }, to: { path: `^src/(${stages})/`, pathNot: '^src/$1/' } },
    { name: 'only-through-the-door', severity: 'error', from: { path: '^src/([^/]+)/', pathNot: tests }, to: { path: `^src/(${rooms})/`, pathNot: ['^src/$1/', '/(index|config)\\.ts$'] } },
    { name: 'one-door-out', comment: 'SSRF: sockets open only where addresses are judged; receive and admin listen, each with credentials of its own', severity: 'error', from: { path: '^src/', pathNot: ['^src/(egress|receive|admin)/', tests] }, to: { path: '^(node:)?(http|https|http2|net|tls|dgram|dns)(/|$)|^(undici|node_modules/undici)', dependencyTypesNot: ['type-only'] } },
    { name: 'one-hand-that-spawns', comment: 'command injection: processes start only where argv is judged', severity: 'error', from: { path: '^src/', pathNot: ['^src/sandbox/', tests] }, to: { path: '^(node:)?(child_process|worker_threads|vm|cluster)$' } },
    { name: 'storage-only-in-store-and-audit', severity: 'error', from: { path: '^src/', pathNot: ['^src/(store|audit)/', tests] }, to: { path: '^(node:)?sqlite$' } },
    { name: 'only-compose-and-cli-compose', severity: 'error', from: { path: '^src/', pathNot: ['^src/(cli/|main\\.ts|compose\\.ts)', tests] }, to: { path: '^src/(compose\\.ts|cli/|main\\.ts)' } },
  ],
  options: { tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, doNotFollow: { path: 'node_modules' }, enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] } },
};
