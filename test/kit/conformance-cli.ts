/** `npm run conformance`: the official suite directly and through the gateway, check by check. Exit code 1 on any difference. */
import { count, differences, REVISIONS, runSuite } from './conformance.ts';
import { startScene } from './conformance-gateway.ts';

const scene = await startScene();
let differing = 0;
for (const revision of REVISIONS) {
  const direct = await runSuite(scene.direct, revision);
  const through = await runSuite(scene.through, revision);
  const found = differences(direct, through);
  differing += found.length;
  console.log(`${revision}: direct ${count(direct, 'SUCCESS')} passed, ${count(direct, 'FAILURE')} failed; through the gateway ${count(through, 'SUCCESS')} passed, ${count(through, 'FAILURE')} failed; ${found.length} checks differ`);
  for (const line of found) console.log(`  ${line}`);
}
await scene.close();
process.exit(differing === 0 ? 0 : 1);
