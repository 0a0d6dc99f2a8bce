import { describe, expect, test } from 'vitest';
import type { Principal } from '../call/principal.ts';
import { createSessions } from './sessions.ts';

const principal = (id: string): Principal => ({
  id, kind: 'api_key', caller: id, team: null, user: null, workspace: null, environment: null, agent: null, client: null, scopes: [],
  tenant: null, groups: [], roles: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null,
});
const alice = principal('key:alice');
const bob = principal('key:bob');
const limits = { session_idle_ms: 1000, max_sessions: 5, max_sessions_per_principal: 3 };

function house(over: Partial<typeof limits> = {}) {
  const hands = { at: 0 };
  const sessions = createSessions({ ...limits, ...over }, { now: () => hands.at, monotonic: () => hands.at });
  const ended: string[] = [];
  sessions.onEnd((s) => ended.push(s.id));
  const opened = (who: Principal, server: string | null = 'fs') => {
    hands.at++;
    const session = sessions.open(who, server, '2025-11-25');
    sessions.keep(session);
    return session;
  };
  return { sessions, hands, ended, opened };
}

describe('sessions', () => {
  test('a session that was opened but not kept cannot be found', () => {
    const { sessions } = house();
    const session = sessions.open(alice, 'fs', '2025-11-25');
    expect(sessions.find(session.id)).toBeUndefined();
    expect([...sessions.all()]).toEqual([]);
    sessions.keep(session);
    expect(sessions.find(session.id)).toBe(session);
    expect(session.id).toMatch(/^[\w-]{43}$/);
  });
  test('belongs to one principal and one endpoint', () => {
    const { sessions, opened } = house();
    const session = opened(alice);
    expect(sessions.claim(session.id, alice.id, 'fs')).toBe(session);
    expect(sessions.claim(session.id, bob.id, 'fs')).toBeUndefined();
    expect(sessions.claim(session.id, alice.id, 'github')).toBeUndefined();
    expect(sessions.claim(session.id, alice.id, null)).toBeUndefined();
  });
  test('a channel is no session, and a session no channel', () => {
    const { sessions, opened } = house();
    const session = opened(alice);
    const channel = sessions.open(alice, 'fs', '2024-11-05', 'channel');
    sessions.keep(channel);
    expect(sessions.claim(channel.id, alice.id, 'fs', 'channel')).toBe(channel);
    expect(sessions.claim(channel.id, alice.id, 'fs')).toBeUndefined();
    expect(sessions.claim(session.id, alice.id, 'fs', 'channel')).toBeUndefined();
  });
  test('a stranger’s attempt does not keep it alive', () => {
    const { sessions, hands, opened } = house();
    const session = opened(alice);
    hands.at += 900;
    sessions.claim(session.id, bob.id, 'fs');
    hands.at += 200;
    expect(sessions.claim(session.id, alice.id, 'fs')).toBeUndefined();
  });
  test('ends when idle, unless a stream is open', () => {
    const { sessions, hands, opened, ended } = house();
    const idle = opened(alice);
    const watching = opened(alice);
    watching.streams.add(() => undefined);
    hands.at += 2000;
    sessions.sweep();
    expect(ended).toEqual([idle.id]);
    expect(sessions.find(watching.id)).toBe(watching);
  });
  test('a caller’s cap ends the caller’s idlest session', () => {
    const { sessions, opened, ended } = house();
    const [first, second] = [opened(alice), opened(alice), opened(alice)];
    sessions.claim(first.id, alice.id, 'fs');
    first.lastSeenAt += 10;
    opened(alice);
    expect(ended).toEqual([second.id]);
  });
  test('the cap of all takes from whoever has most', () => {
    const { sessions, opened, ended } = house();
    const lone = opened(bob);
    const many = [opened(alice), opened(alice), opened(alice)];
    const carol = opened(principal('key:carol'));
    opened(principal('key:dave'));
    expect(ended).toEqual([many[0]?.id]);
    expect(sessions.find(lone.id)).toBe(lone);
    expect(sessions.find(carol.id)).toBe(carol);
    expect([...sessions.all()]).toHaveLength(5);
  });
  test('end is heard once', () => {
    const { sessions, opened, ended } = house();
    const session = opened(alice);
    sessions.end(session.id);
    sessions.end(session.id);
    sessions.end('nonsense');
    expect(ended).toEqual([session.id]);
  });
  test('10,000 sessions take about 2 KB each', () => {
    const { opened } = house({ max_sessions: 20_000, max_sessions_per_principal: 20_000 });
    const before = process.memoryUsage().heapUsed;
    const kept = Array.from({ length: 10_000 }, () => opened(alice));
    expect((process.memoryUsage().heapUsed - before) / kept.length).toBeLessThan(2_500);
  });
});
