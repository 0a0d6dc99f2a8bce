import type { Principal } from '../../call/principal.ts';
import type { Target, Tool } from '../../call/target.ts';
import type { Place, PlacedTest } from './assemble.ts';
import type { Asked } from './engine.ts';
import { aimOf, type CallerFacts, type CallFacts, type Expected } from './test-file.ts';

/** A Wednesday noon: a test that names no time says the same on every day of every year. */
const NOON = Date.parse('2026-01-07T12:00:00Z');

/** One call to be judged, and what must come out. */
export interface Case extends Place, Asked {
  readonly name: string;
  readonly expected: Expected;
}

/** A test as the calls it is made of. */
export function casesOf({ test, cases, ...place }: PlacedTest): readonly Case[] {
  const made = (name: string, at: Place, caller: CallerFacts, call: CallFacts, expected: Expected | 'allow' | 'deny'): Case => ({
    ...at, name, principal: principalOf(caller), target: targetOf(call), place: { environment: call.environment ?? null, region: call.region ?? null, tenant: call.tenant ?? null }, argumentsText: argumentsOf(call),
    at: call.at === undefined ? NOON : Date.parse(call.at), expected: typeof expected === 'string' ? { effect: expected } : expected,
  });
  if (test.cases === undefined) return [made(test.name, place, test.caller ?? {}, test.call ?? {}, test.expect ?? 'deny')];
  return test.cases.map((each, i) =>
    made(`${test.name}: ${each.name ?? `case ${i + 1}`}`, cases[i] ?? place, { ...test.caller, ...each.caller }, aimOf(test.call, each.call), each.expect ?? test.expect ?? 'deny'));
}
/** The caller that a credential with these facts would make. */
export function principalOf(facts: CallerFacts): Principal {
  const { name = 'tester', user = null, team = null, agent = null, client = null, workspace = null, tenant = null, environment = null } = facts;
  return {
    id: facts.id ?? `key:${name}`, kind: facts.id?.startsWith('jwt:') === true ? 'jwt' : 'api_key', caller: name, user, team, agent, client, workspace, tenant, environment,
    groups: facts.groups ?? [], roles: facts.roles ?? [], scopes: facts.scopes ?? [],
    allowedTools: facts.allowed_tools ?? null, deniedTools: facts.denied_tools ?? [], confirmTools: facts.confirm_tools ?? [],
    tokenAudience: null, expiresAt: null,
  };
}
/** The target that resolve would make of such a call. */
export function targetOf(call: CallFacts): Target {
  const server = call.server ?? null;
  const risk = call.class ?? 'admin'; // the schema asks for it
  const common = { server, risk, lane: 'own', timeoutMs: null } as const;
  if (call.tool === undefined || server === null) {
    const method = call.method ?? 'tools/call';
    return { ...common, id: `${server ?? 'gateway'}:${method}`, method, name: call.name ?? null, tool: null };
  }
  const tool: Tool = { server, name: call.tool, id: `${server}__${call.tool}`, risk, digest: '', definition: '{}', inputSchema: {} };
  return { ...common, id: tool.id, method: 'tools/call', name: tool.name, tool };
}
function argumentsOf(call: CallFacts): string | null {
  if (call.tool === undefined && call.method !== 'prompts/get') return null;
  return call.arguments_json ?? JSON.stringify(call.arguments ?? {});
}
