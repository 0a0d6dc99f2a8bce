/** `npm run conformance`: the official suite directly and through the gateway, check by check. Exit code 1 on any difference that docs/limits.md does not explain. */
import { compare, SCENES } from './conformance-gateway.ts';

let unexplained = 0;
for (const scene of SCENES) {
  const found = await compare(scene);
  unexplained += found.unexplained.length;
  console.log(`${scene.revision}, ${scene.what}: direct ${found.direct.passed} passed, ${found.direct.failed} failed; through the gateway ${found.through.passed} passed, ${found.through.failed} failed; ${found.explained.length + found.unexplained.length} checks differ, ${found.unexplained.length} of them unexplained`);
  for (const line of found.explained) console.log(`  explained: ${line}`);
  for (const line of found.unexplained) console.log(`  UNEXPLAINED: ${line}`);
}
process.exit(unexplained === 0 ? 0 : 1);
