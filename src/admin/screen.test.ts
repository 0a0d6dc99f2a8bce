import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ApprovalRequest } from '../approve/index.ts';
import { ADMIN_FAULTS } from './faults.ts';
import { OPENAPI } from './openapi.ts';
import { routesAt } from './routes.ts';
import { lineOf, screenOf } from './screen.ts';
import { viewOf } from './view.ts';

const request = (more: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  id: '0190aaaa-0000-7000-8000-000000000000', state: 'pending', requester: { principalId: 'key:k1', caller: 'bot', user: 'uma', identities: ['key:k1', 'bot', 'uma'] },
  target: { id: 'bank__pay', server: 'bank', tool: 'pay', method: 'tools/call', digest: 'd1', risk: 'write' }, environment: 'prod', argumentsText: '{"amount":9007199254740993e0,"to":"p\u0430ypal"}',
  input_hash: 'ab12', binding: 'b', policyVersion: 'v1', ruleIds: ['r1'], why: 'moves money', reason: 'bill 7', ticket: 'CHG-1',
  terms: [{ groups: ['ops'], quorum: 2, escalate: { groups: ['leads'], afterMs: 60_000 }, expiresMs: null }], createdAt: 0, expiresAt: 7_200_000, escalatedAt: null, closedAt: null,
  decisions: [{ by: 'Ann', identity: 'admin:ann', identities: ['ann'], verdict: 'approve', rationale: 'ok', at: 1, narrowing: null, channel: 'cli' }], group: 'g', similar: { approved: 3, denied: 1, lastAt: 0 }, ...more,
});
const people = [{ id: 'admin:ann', user: 'Ann', groups: ['ops'] }, { id: 'admin:ben', user: 'ben', groups: ['ops'] }, { id: 'admin:uma', user: 'Uma', groups: ['ops'] }, { id: 'admin:lea', user: 'lea', groups: ['leads'] }];

it('shows all there is to know', () => {
  const text = screenOf(viewOf(request(), people, 30_000));
  for (const part of ['bank__pay', 'risk: write', 'environment prod', 'asked by    bot  user: uma  as key:k1', 'moves money', 'rules: r1', '“bill 7”', '“CHG-1”', '1 of 2 yes from ops; may still decide: ben; leads too from', '3 such approved, 1 denied', '1 h 59 min left', 'runs once', '"amount": 9007199254740993', 'SHA-256 ab12', 'p\u0430\\u{430}ypal', 'looks like something else']) expect(text).toContain(part);
  expect(screenOf(viewOf(request(), people, 70_000))).toContain('from ops, leads; may still decide: ben, lea');
  expect(screenOf(viewOf(request({ argumentsText: '{"a":1}' }), people, 0))).not.toContain('looks like something else');
  expect(screenOf(viewOf(request({ argumentsText: '{"a":"x\\u200by"}' }), people, 0))).toContain('looks like something else');
});

it('nothing of the caller’s acts on a terminal or makes a line of its own', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
    const plain = screenOf(viewOf(request({ argumentsText: '{"k":"v"}', reason: 'r' }), people, 0)).split('\n').length;
    const view = viewOf(request({ argumentsText: JSON.stringify({ k: a }), reason: b, ticket: a, why: b, requester: { principalId: a, caller: b, user: a, identities: [b] } }), people, 0);
    const text = screenOf(view);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
    expect(text.split('\n').length - (text.includes('\n! ') ? 1 : 0)).toBe(plain);
    expect(lineOf(view)).not.toMatch(/[\p{C}\n]/u);
  }), { numRuns: 200 });
});

it('a string in the arguments cannot pose as another member', () => {
  const text = screenOf(viewOf(request({ argumentsText: JSON.stringify({ a: 'x",\n  "approved": "yes' }) }), people, 0));
  expect(text.split('\n').slice(-3)).toEqual(['  │ {', expect.stringMatching(/^ {2}│ {3}"a"/), '  │ }']);
  expect(text).toContain(String.raw`"a": "x\",\u{a}  \"approved\": \"yes"`);
});

it('the reference tells every code, as it is', () => {
  const text = readFileSync(new URL('../../docs/reference/admin.md', import.meta.url), 'utf8');
  for (const { code, status, says, operator } of ADMIN_FAULTS) expect(text).toContain(`| \`${code}\` | ${status} | ${says} | ${operator} |`);
  expect([...text.matchAll(/^\| `(admin\.[a-z_]+)`/gm)].map(([, code]) => code)).toEqual(ADMIN_FAULTS.map(({ code }) => code));
});

it('the OpenAPI document and the routes are the same', () => {
  for (const [path, item] of Object.entries(OPENAPI.paths)) {
    const at = path.replace('{id}', '0190aaaa-0000-7000-8000-000000000000').replace('{token}', 's1.x');
    const methods = Object.keys(item).filter((name) => name === 'get' || name === 'post');
    expect(routesAt(at).map(({ method }) => method.toLowerCase()), path).toEqual(methods);
    for (const route of routesAt(at)) {
      const one = Reflect.get(item, route.method.toLowerCase()) as { security?: unknown[]; parameters?: { in: string; name: string }[] };
      expect(one.security === undefined, `${route.method} ${path}`).toBe(route.proof === 'key');
      expect((one.parameters ?? []).filter((p) => p.in === 'query').map((p) => p.name)).toEqual(route.query);
    }
  }
  for (const [, name] of JSON.stringify(OPENAPI).matchAll(/#\/components\/schemas\/(\w+)/g)) expect(Object.keys(OPENAPI.components.schemas)).toContain(name);
});
