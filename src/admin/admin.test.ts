import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdminRig, openAdminRig } from '../../test/kit/admin-rig.ts';
import { approval, callOf } from '../../test/kit/approve-rig.ts';
import { adminConfig } from './config.ts';
import { createKeyStore } from '../authenticate/index.ts';
import { systemClock } from '../lib/clock.ts';

let rig: AdminRig;
beforeEach(async () => { rig = await openAdminRig(); });
afterEach(() => rig.close());
const JSON_TYPE = ['content-type', 'application/json'] as const;

describe('who gets in', () => {
  it('nobody without an admin key; one way to show it', async () => {
    const { id } = await rig.waiting();
    for (const path of ['/approvals', `/approvals/${id}`]) {
      expect(await rig.ask('GET', path)).toMatchObject({ status: 401, body: { code: 'admin.unauthenticated' } });
      expect((await rig.ask('GET', path, { key: rig.key.dora })).status).toBe(200);
    }
    for (const headers of [['x-api-key', rig.key.dora], ['cookie', `key=${rig.key.dora}`], ['authorization', rig.key.dora], ['authorization', `Basic ${rig.key.dora}`]]) {
      expect(await rig.ask('GET', '/approvals', { headers })).toMatchObject({ status: 401 });
    }
    expect(await rig.ask('GET', `/approvals?key=${rig.key.dora}`)).toMatchObject({ status: 400 });
  });

  it('no credential of an agent: key, token, a key with our prefix, a canary', async () => {
    const { id } = await rig.waiting();
    const agents = await createKeyStore(rig.rig.store, systemClock);
    const { key } = await agents.create({ id: 'agent', groups: ['ops'], user: 'dora' });
    await agents.close();
    const forged = `${rig.key.dora.slice(0, -1)}${rig.key.dora.endsWith('A') ? 'B' : 'A'}`;
    rig.rig.pass(60_000);
    for (const shown of [key, `spa_${key.slice(3)}`, forged, 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJkb3JhIn0.', 'sk-canary-0123456789abcdef', rig.key.dora.toLowerCase()]) {
      expect(await rig.decide(id, shown)).toMatchObject({ status: 401, body: { code: 'admin.unauthenticated' } });
    }
    expect((await rig.rig.approve.approvals.get(id))?.decisions).toEqual([]);
    expect(JSON.stringify([rig.notes, rig.logs])).not.toContain(key);
    expect(rig.notes[0]).toEqual({ event: 'admin.refused', error: 'admin.unauthenticated from 127.0.0.1' });
  });

  it('an admin key is no agent key, and neither is kept as the other', async () => {
    const agents = await createKeyStore(rig.rig.store, systemClock);
    expect([...agents.held()]).toEqual([]);
    expect(agents.has('dora')).toBe(false);
    await agents.close();
    expect((await rig.rig.store.list('api_key')).length).toBe(0);
    for (const row of await rig.rig.store.list('admin_key')) expect(Buffer.from(row.bytes).toString()).not.toContain(rig.key.dora.slice(4, 30));
  });

  it('ends: revoked at once, expired in time, never without an end', async () => {
    expect((await rig.ask('GET', '/approvals', { key: rig.key.eli })).status).toBe(200);
    await rig.keys.revoke('eli');
    expect((await rig.ask('GET', '/approvals', { key: rig.key.eli })).status).toBe(401);
    rig.rig.pass(90 * 86_400_000);
    expect((await rig.ask('GET', '/approvals', { key: rig.key.dora })).status).toBe(401);
    await expect(rig.keys.create({ name: 'x', user: 'x', groups: ['g'] }, 367 * 86_400_000)).rejects.toThrow('366');
    await expect(rig.keys.create({ name: 'x', user: 'x', groups: ['g'] }, Infinity)).rejects.toThrow('366');
    await expect(rig.keys.create({ name: 'eli', user: 'x', groups: ['g'] }, 10_000)).rejects.toThrow('revoked');
    await expect(rig.keys.create({ name: 'x', user: 'x\u202e', groups: ['g'] }, 10_000)).rejects.toThrow('invisible');
  });

  it('failed attempts are cut short, a right key is let in all the same', async () => {
    const answers = await Promise.all(Array.from({ length: 15 }, () => rig.ask('GET', '/approvals', { key: 'sp_wrong' })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array<number>(10).fill(401), ...Array<number>(5).fill(429)]);
    expect(rig.notes).toHaveLength(10);
    expect((await rig.ask('GET', '/approvals', { key: rig.key.dora })).status).toBe(200);
    rig.rig.pass(60_000);
    expect((await rig.ask('GET', '/approvals', { key: 'sp_wrong' })).status).toBe(401);
  });
});

describe('the listener', () => {
  const faults: readonly (readonly [string, string, string, readonly string[], string | undefined, number, string])[] = [
    ['another host (DNS rebinding)', 'GET', '/health', ['host', 'evil.example'], undefined, 403, 'admin.host'],
    ['a web page', 'GET', '/health', ['origin', 'https://evil.example'], undefined, 403, 'admin.origin'],
    ['an opaque origin', 'GET', '/health', ['origin', 'null'], undefined, 403, 'admin.origin'],
    ['two credentials', 'GET', '/approvals', ['authorization', 'Bearer a', 'Authorization', 'Bearer b'], undefined, 400, 'admin.headers'],
    ['a GET with a body', 'GET', '/health', [...JSON_TYPE], '{}', 400, 'admin.headers'],
    ['a dot path', 'GET', '/approvals/../health', [], undefined, 404, 'admin.path'],
    ['a doubled slash', 'GET', '//health', [], undefined, 404, 'admin.path'],
    ['an encoded path', 'GET', '/%68ealth', [], undefined, 404, 'admin.path'],
    ['agents’ endpoint', 'POST', '/mcp', [...JSON_TYPE], '{}', 404, 'admin.path'],
    ['another method', 'DELETE', '/approvals', [], undefined, 405, 'admin.method'],
    ['a preflight', 'OPTIONS', '/approvals', ['origin', 'https://evil.example', 'access-control-request-method', 'POST'], undefined, 403, 'admin.origin'],
    ['a query where none is taken', 'GET', '/health?x=1', [], undefined, 400, 'admin.body'],
  ];
  it.each(faults)('refuses %s', async (_what, method, path, headers, body, status, code) => {
    const answer = await rig.ask(method, path, { headers, ...(body === undefined ? {} : { body }) });
    expect(answer).toMatchObject({ status, body: { code } });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('takes small JSON only, once it knows who speaks', async () => {
    const { id } = await rig.waiting();
    const path = `/approvals/${id}/decision`;
    const body = JSON.stringify({ verdict: 'approve', rationale: 'x' });
    expect(await rig.ask('POST', path, { headers: JSON_TYPE, body })).toMatchObject({ status: 401 });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16']) {
      expect(await rig.ask('POST', path, { key: rig.key.dora, headers: ['content-type', type], body })).toMatchObject({ status: 415, body: { code: 'admin.content_type' } });
    }
    expect(await rig.ask('POST', path, { key: rig.key.dora, headers: [...JSON_TYPE, 'content-encoding', 'gzip'], body })).toMatchObject({ status: 415 });
    expect(await rig.ask('POST', path, { key: rig.key.dora, headers: JSON_TYPE, body: JSON.stringify({ verdict: 'approve', rationale: 'x'.repeat(65_536) }) })).toMatchObject({ status: 413, body: { code: 'admin.too_large' } });
    for (const wrong of ['', '[]', '{"verdict":"approve"}', '{"verdict":"yes","rationale":"x"}', '{"verdict":"deny","verdict":"approve","rationale":"x"}', '{"verdict":"approve","rationale":"x","as":"eli"}', '{"verdict":"approve","rationale":"x","narrowing":{"max":9007199254740993}}']) {
      expect(await rig.ask('POST', path, { key: rig.key.dora, headers: JSON_TYPE, body: wrong }), wrong).toMatchObject({ status: 400, body: { code: 'admin.body' } });
    }
    expect((await rig.rig.approve.approvals.get(id))?.decisions).toEqual([]);
  });

  it('a chunked body that never ends is cut', async () => {
    const { id } = await rig.waiting();
    const answer = await new Promise<string>((done) => {
      const socket = connect(rig.port, '127.0.0.1', () => {
        socket.write(`POST /approvals/${id}/decision HTTP/1.1\r\nhost: 127.0.0.1:${rig.port}\r\nauthorization: Bearer ${rig.key.dora}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`);
        socket.write(`11000\r\n${'x'.repeat(0x11000)}\r\n`);
      });
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString())).on('close', () => done(text)).on('error', () => done(text));
    });
    expect(answer).toContain('413');
    expect(answer.toLowerCase()).toContain('connection: close');
  });

  it('slow strangers do not keep people out', async () => {
    const sockets = Array.from({ length: 12 }, () => connect(rig.port, '127.0.0.1'));
    let refused = '';
    for (const socket of sockets) {
      socket.on('data', (chunk) => (refused += chunk.toString())).on('error', () => undefined);
      socket.write(`POST /callbacks/approvals HTTP/1.1\r\nhost: 127.0.0.1:${rig.port}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`);
    }
    while ((refused.match(/admin\.busy/g) ?? []).length < 4) await new Promise((done) => setTimeout(done, 5));
    expect((await rig.ask('GET', '/approvals', { key: rig.key.dora })).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    while ((await rig.ask('POST', '/callbacks/approvals', { headers: JSON_TYPE, body: '{}' })).status === 503) await new Promise((done) => setTimeout(done, 5));
  });

  it('headers beyond what is read are refused, not cut off', async () => {
    const many = Array.from({ length: 64 }, (_, i) => [`x-${i}`, '1']).flat();
    expect(await rig.ask('GET', '/health', { headers: many })).toMatchObject({ status: 400, body: { code: 'admin.headers' } });
  });

  it('every answer is harmless to browsers and caches', async () => {
    for (const path of ['/health', '/approvals', '/openapi.json']) {
      expect((await rig.ask('GET', path)).headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    }
  });

  it('never stands beyond this machine in the clear', () => {
    expect(adminConfig.safeParse({ port: 1, host: '0.0.0.0' }).success).toBe(false);
    expect(adminConfig.safeParse({ port: 1, host: '0.0.0.0', tls: { cert: 'file:c', key: 'file:k' } }).success).toBe(true);
  });

  it('is off unless a port is set', async () => {
    const off = await openAdminRig({ admin: { port: null } });
    expect(off.port).toBe(0);
    await off.close();
  });
});

describe('deciding', () => {
  it('lists, shows, and takes a yes; the call runs once', async () => {
    const asked = await rig.waiting({ args: '{"n":9007199254740993}' });
    const listed = await rig.ask('GET', '/approvals?state=pending&mine=true&limit=5', { key: rig.key.dora });
    expect(listed.body.approvals).toHaveLength(1);
    const shownIt = (await rig.ask('GET', `/approvals/${asked.id}`, { key: rig.key.dora })).body;
    expect(shownIt).toMatchObject({ id: asked.id, state: 'pending', arguments_text: '{"n":9007199254740993e0}', input_hash: asked.input_hash, requester: { caller: 'bot' }, terms: [{ quorum: 1, approved: 0, may_still_decide: ['dora', 'eli'] }] });
    expect(await rig.decide(asked.id, rig.key.dora)).toMatchObject({ status: 200, body: { state: 'approved', decisions: [{ by: 'dora', identity: 'admin:dora', channel: 'api' }] } });
    expect(await rig.rig.judge(callOf({ args: '{"n":9007199254740993}' }))).toBe('go approved a');
    expect(await rig.decide(asked.id, rig.key.eli)).toMatchObject({ status: 409, body: { code: 'admin.closed' } });
  });

  it('says no in its own words', async () => {
    const { id } = await rig.waiting({ duties: [approval({ quorum: 2 })] });
    expect(await rig.decide(id, rig.key.mia)).toMatchObject({ status: 403, body: { code: 'admin.not_approver' } });
    expect(await rig.decide(id, rig.key.bot)).toMatchObject({ status: 403, body: { code: 'admin.self' } });
    expect(await rig.decide(id, rig.key.dora, { verdict: 'approve', rationale: ' \u200b ' })).toMatchObject({ status: 400, body: { code: 'admin.rationale' } });
    expect(await rig.decide(id, rig.key.dora, { verdict: 'approve', rationale: 'x', narrowing: { min: 1 } })).toMatchObject({ status: 400, body: { code: 'admin.narrowing', message: 'say max' } });
    expect(await rig.decide('0190aaaa-0000-7000-8000-000000000000', rig.key.dora)).toMatchObject({ status: 404, body: { code: 'admin.unknown' } });
    expect(await rig.decide(id, rig.key.dora)).toMatchObject({ status: 200, body: { state: 'pending', terms: [{ quorum: 2, approved: 1, may_still_decide: ['eli'] }] } });
    expect(await rig.decide(id, rig.key.dora)).toMatchObject({ status: 409, body: { code: 'admin.already' } });
    expect(await rig.decide(id, rig.key.eli, { verdict: 'deny', rationale: 'no' })).toMatchObject({ status: 200, body: { state: 'denied' } });
  });

  it('a yes of somebody who was revoked since does not count', async () => {
    const { id } = await rig.waiting();
    await rig.decide(id, rig.key.dora);
    await rig.keys.revoke('dora');
    expect(await rig.rig.judge(callOf())).not.toMatch(/^go/);
  });

  it('says so when the store is gone, and decides nothing', async () => {
    const { id } = await rig.waiting();
    await rig.rig.store.close();
    expect(await rig.decide(id, rig.key.dora)).toMatchObject({ status: 503, body: { code: 'admin.unavailable' } });
    expect(rig.admin.ready()).toBe('admin: unavailable');
  });
});
