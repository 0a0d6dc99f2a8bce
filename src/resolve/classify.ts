import type { JsonObject } from '../call/json.ts';
import { RISKS, type Risk } from '../call/target.ts';
import { skeleton } from '../lib/look-alike.ts';

/**
 * The class of a tool the operator did not set. Starts at `write` and only goes up: a server that calls its own tool harmless
 * (`readOnlyHint`, `destructiveHint: false`) is not believed, one that calls it dangerous is (MISSION P1; MCP: "clients MUST
 * consider tool annotations to be untrusted"). What an absent hint means in MCP (destructive and open by default) is not
 * counted, or nearly every tool would be destructive and operators would learn to switch the classes off.
 */
export function inferRisk(name: string, annotations: JsonObject, inferReads: boolean): Risk {
  const words = wordsOf(name);
  let risk: Risk = inferReads && plainlyReads(words) && annotations['readOnlyHint'] !== false ? 'read' : 'write';
  for (const word of words) risk = graver(risk, WORDS.get(word) ?? 'discovery');
  if (annotations['openWorldHint'] === true) risk = graver(risk, 'external');
  if (annotations['destructiveHint'] === true) risk = graver(risk, 'destructive');
  return risk;
}

/** The graver of two classes. */
export const graver = (a: Risk, b: Risk): Risk => (RISKS.indexOf(a) >= RISKS.indexOf(b) ? a : b);

/** `deleteRepo_v2` → delete, repo, v, 2. Look-alikes and case are folded first, so that `DELETE` and `dеlete` still count. */
function wordsOf(name: string): readonly string[] {
  const split = name.normalize('NFKC').replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2').replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2');
  return skeleton(split).split(/[^a-z]+/).filter((word) => word !== '');
}

const plainlyReads = (words: readonly string[]): boolean => READS.has(words[0] ?? '');

const READS = new Set(['get', 'list', 'read', 'search', 'describe', 'find', 'show', 'view', 'count', 'lookup', 'query', 'stat', 'status']);

const WORDS: ReadonlyMap<string, Risk> = new Map<string, Risk>([
  ...each('external', 'fetch browse crawl scrape http https webhook url upload publish email mail sms tweet'),
  ...each('destructive', 'delete del drop remove destroy kill purge erase wipe truncate uninstall unlink rm terminate revoke prune clear reset'),
  ...each('admin', 'exec execute shell bash powershell command cmd terminal eval sudo admin grant impersonate'),
]);
function each(risk: Risk, words: string): [string, Risk][] {
  return words.split(' ').map((word) => [word, risk]);
}
