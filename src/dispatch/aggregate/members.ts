import { fitsAggregate, isPage, namespaced, namespacedUri } from '../../call/aggregate-names.ts';
import { applyEdits, type Edit } from '../../lib/json-edit.ts';
import { type Member, membersOf, without } from '../../lib/json-spans.ts';

/** What of a server's stands in a list, besides tools: which member of the result holds it, what must be offered and allowed, and what names it. */
export interface MemberKind {
  readonly method: 'prompts/list' | 'resources/list' | 'resources/templates/list';
  readonly member: 'prompts' | 'resources' | 'resourceTemplates';
  /** The server's capability, and the change that makes the list old. */
  readonly capability: 'prompts' | 'resources';
  /** What is not allowed to be had is not shown (MISSION P5). */
  readonly use: 'prompts/get' | 'resources/read';
  readonly key: 'name' | 'uri' | 'uriTemplate';
}
const KINDS: readonly MemberKind[] = [
  { method: 'prompts/list', member: 'prompts', capability: 'prompts', use: 'prompts/get', key: 'name' },
  { method: 'resources/list', member: 'resources', capability: 'resources', use: 'resources/read', key: 'uri' },
  { method: 'resources/templates/list', member: 'resourceTemplates', capability: 'resources', use: 'resources/read', key: 'uriTemplate' },
];
export const kindOf = (method: string): MemberKind | undefined => KINDS.find((kind) => kind.method === method);

/** One line of a server's list under its name at the aggregate, every other byte as it was. null: it has none there, or is a page. */
export function renamed(item: string, server: string, key: MemberKind['key']): string | null {
  const members = membersOf(item);
  const named = members.find((m) => m.name === key);
  if (named === undefined || item[named.start] !== '"') return null;
  const name = String(JSON.parse(item.slice(named.start, named.end))); // parse edge: a text the answer's parser has taken
  if (key === 'name' ? !fitsAggregate(namespaced(server, name)) : isPage(name)) return null;
  return applyEdits(item, [prefixed(named, key === 'name' ? namespaced(server, '') : namespacedUri(server, '')), ...withoutPages(item, members)]);
}

/** Puts a prefix in front of a JSON text value; its spelling stays. Prefixes hold nothing that JSON would escape. */
export const prefixed = ({ start }: Member, prefix: string): Edit => ({ start: start + 1, end: start + 1, text: prefix });

/** Takes out of `_meta` what binds a thing to a page of its server (MCP Apps): see `isPage`. */
export function withoutPages(text: string, members: readonly Member[]): Edit[] {
  const meta = members.find((m) => m.name === '_meta');
  if (meta === undefined) return [];
  const before = text.slice(meta.start, meta.end);
  const after = without(before, PAGE_KEYS);
  return after === before ? [] : [{ start: meta.start, end: meta.end, text: after }];
}
export const PAGE_KEYS: readonly string[] = ['ui', 'ui/resourceUri'];
