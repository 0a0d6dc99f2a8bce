import { readFile } from 'node:fs/promises';
import { startFixture } from './fixture/http.ts';
import { count, differences, injectCredential, runSuite, type Checks, type Revision } from './conformance.ts';
import { launch } from './gateway.ts';

/** One run of the suite: a requirement set, and which eras the server behind the gateway speaks. */
export interface Scene {
  readonly revision: Revision;
  readonly eras: readonly ('legacy' | 'modern')[];
  readonly what: string;
}
export const SCENES: readonly Scene[] = [
  { revision: '2025-11-25', eras: ['legacy', 'modern'], what: 'same era' },
  { revision: '2026-07-28', eras: ['legacy', 'modern'], what: 'same era' },
  { revision: '2025-11-25', eras: ['modern'], what: 'a server of 2026-07-28 only' },
  { revision: '2026-07-28', eras: ['legacy'], what: 'a server of 2025-11-25 only' },
];

export interface Comparison {
  readonly direct: { readonly passed: number; readonly failed: number; readonly failing: readonly string[] };
  readonly through: { readonly passed: number; readonly failed: number };
  /** Differing checks that docs/limits.md gives a reason for. */
  readonly explained: readonly string[];
  readonly unexplained: readonly string[];
}

/** The suite against a fixture that speaks its era, and through the gateway against one that speaks the scene's. */
export async function compare(scene: Scene): Promise<Comparison> {
  const stage = await startScene(scene.eras);
  try {
    const direct = await runSuite(stage.direct, scene.revision);
    const through = await runSuite(stage.through, scene.revision);
    const reasons = scene.eras.length > 1 ? new Set<string>() : await explained(scene.revision);
    const found = differences(direct, through);
    const isExplained = (line: string): boolean => reasons.has(line.slice(0, line.indexOf(': direct ')));
    return { direct: { ...tally(direct), failing: failing(direct) }, through: tally(through), explained: found.filter(isExplained), unexplained: found.filter((line) => !isExplained(line)) };
  } finally {
    await stage.close();
  }
}
const tally = (checks: Checks): { passed: number; failed: number } => ({ passed: count(checks, 'SUCCESS'), failed: count(checks, 'FAILURE') });
const failing = (checks: Checks): string[] => [...checks].filter(([, statuses]) => statuses.includes('FAILURE')).map(([check]) => check);

/** The rows of docs/limits.md, "Between eras": `| 2026-07-28 | \`scenario / check\` | reason |`. */
async function explained(revision: Revision): Promise<ReadonlySet<string>> {
  const limits = await readFile(new URL('../../docs/limits.md', import.meta.url), 'utf8');
  const rows = [...limits.matchAll(/^\| (\d{4}-\d\d-\d\d) \| `([^`]+)` \| (.+) \|$/gm)];
  return new Set(rows.filter(([, set, , reason]) => set === revision && (reason ?? '').trim().length > 20).map(([, , check]) => check as string));
}

/** The fixture in both eras, the gateway in front of one of `eras` with a policy that allows what the suite does, and a relay that adds the key. */
export async function startScene(eras: Scene['eras']): Promise<{ direct: string; through: string; close: () => Promise<void> }> {
  const whole = await startFixture();
  const behind = eras.length > 1 ? whole : await startFixture({ eras });
  const gateway = await launch({
    config: {
      dispatch: { servers: { fixture: { url: behind.url, allow_loopback: true, client_capabilities: ['elicitation', 'sampling', 'roots'] } } },
      authorize: { rules: [{ id: 'suite', why: 'The conformance suite may do everything on the fixture', effect: 'allow', callers: ['suite'], servers: ['fixture'], classes: ['discovery', 'read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false }] },
      limit: { rates: { tools: { '*': '100000/minute' }, callers: { '*': '100000/minute' } } },
    },
    keys: { suite: [] },
  });
  const relay = await injectCredential(`${gateway.url}/s/fixture/mcp`, 'x-api-key', gateway.keys['suite'] as string);
  return {
    direct: whole.url, through: relay.url,
    close: async () => {
      relay.close();
      await gateway.stop('SIGKILL');
      gateway.clean();
      await behind.close();
      if (behind !== whole) await whole.close();
    },
  };
}
