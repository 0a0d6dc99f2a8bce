import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReceiver } from '../kit/admin-rig.ts';
import { startFixture, type RunningFixture } from '../kit/fixture/http.ts';
import { cli, launch, records, type Launched } from '../kit/gateway.ts';
import { until } from '../kit/scene.ts';

/** The launched gateway, people at the command line, an agent that calls. */
let fixture: RunningFixture;
let hook: Awaited<ReturnType<typeof openReceiver>>;
let gateway: Launched;
const dir = mkdtempSync(join(tmpdir(), 'grants-e2e-'));
const config = (): Record<string, unknown> => ({
  admin: { port: 0 },
  authorize: {
    grants: { groups: ['leads'] }, rules: [{ id: 'never', effect: 'deny', servers: ['shop'] }],
    break_glass: [{ name: 'db', activators: ['leads'], tools: ['bank__echo'], lifts: ['approval'] }],
  },
  approve: { groups: ['leads'], webhooks: [{ url: hook.url, secret: 'env:HOOK', allow_loopback: true, events: ['break_glass'] }] },
  dispatch: { servers: { bank: { url: fixture.url, allow_loopback: true }, shop: { url: fixture.url, allow_loopback: true } } },
  limit: { rates: { tools: { '*': '1000000/minute' }, callers: { '*': '1000000/minute' } } },
  resolve: { tools: { '*__echo': { class: 'write' } } },
});
const start = async (keys: Record<string, readonly string[]> = {}): Promise<Launched> => launch({ dir, config: config(), keys, env: { HOOK: 'a secret of more than 24 letters' } });
/** As a person: exit code, first line, errors. */
const as = async (person: string, ...words: readonly string[]): Promise<{ code: number; out: string; err: string; id: string }> => {
  const url = /decide at (\S+)/.exec(gateway.err())?.[1] ?? '';
  const said = await cli(words, { SALLYPORT_ADMIN_URL: url, SALLYPORT_ADMIN_KEY_FILE: join(dir, `${person}.key`) });
  return { ...said, id: said.out.slice(0, 36) };
};
const call = async (key = 'bot', tool = 'bank__echo') => (await gateway.tool(key, tool, { text: 'x' })).status;

let botKeys: Record<string, string> = {};
beforeAll(async () => {
  [fixture, hook] = [await startFixture({}), await openReceiver()];
  gateway = await start({ bot: ['--user', 'bob'], laptop: ['--user', 'dora'] });
  botKeys = { ...gateway.keys };
  for (const [name, group] of [['dora', 'leads'], ['eli', 'leads'], ['mia', 'others']] as const) {
    const made = await cli(['admin', 'create', name, '--user', name, '--group', group, '--data', gateway.data]);
    expect(made.code, made.err).toBe(0);
    writeFileSync(join(dir, `${name}.key`), made.out, { mode: 0o600 });
  }
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await fixture.close();
  await hook.close();
  gateway.clean();
});

describe('sallyport grant', () => {
  it('gives, shows, takes back within a second; nothing is over a deny; self-grants are refused; all is recorded', async () => {
    expect(await call()).toBe(403);
    expect(await as('mia', 'grant', 'add', '--user', 'bob', '--tool', 'bank__echo', '--for', '1h', '--why', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('admin.not_entitled') });
    expect(await as('dora', 'grant', 'add', '--user', 'dora', '--tool', 'bank__echo', '--for', '1h', '--why', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('admin.self') });
    expect(await as('dora', 'grant', 'add', '--user', 'bob', '--tool', 'bank__echo', '--for', '8d', '--why', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('max_ms') });
    expect(await as('dora', 'grant', 'add', '--user', 'bob', '--tool', 'bank__echo', '--why', 'x')).toMatchObject({ code: 2 });
    const given = await as('dora', 'grant', 'add', '--user', '*o*', '--server', 'bank', '--server', 'shop', '--rule', '{"needs":"none"}', '--for', '1h', '--why', 'CHG-1');
    expect(given.code, given.err).toBe(0);
    expect(await call()).toBe(200);
    expect(await call('laptop')).toBe(403); // dora’s own key, which the glob matches
    expect(await call('bot', 'shop__echo')).toBe(403);
    expect((await as('eli', 'grant', 'list')).out).toContain(given.id);

    const revoked = as('eli', 'grant', 'revoke', given.id);
    await revoked;
    expect(await call()).toBe(403);
    expect((await as('eli', 'grant', 'list')).out).toBe('');
    expect((await as('eli', 'grant', 'list', '--all')).out).toContain('revoked');
    const all = await records(gateway.data);
    expect(all.filter(({ event }) => String(event).startsWith('grant.')).map(({ event, caller_id: by }) => [event, by])).toEqual([['grant.given', 'admin:dora'], ['grant.revoked', 'admin:eli']]);
    expect(all.filter(({ event, success }) => event === 'call.finished' && success === true).map(({ policy_ids: ids }) => ids)).toEqual([[`grant:${given.id}`]]);
  });

  it('survives a restart, and ends by itself', async () => {
    const given = await as('dora', 'grant', 'add', '--caller', 'key:bot', '--tool', 'bank__echo', '--rule', '{"needs":"none"}', '--for', '12s', '--why', 'CHG-2');
    expect(given.code, given.err).toBe(0);
    await gateway.stop();
    gateway = { ...(await start()), keys: botKeys };
    expect(await gateway.tool(botKeys['bot'] ?? '', 'bank__echo', { text: 'x' })).toMatchObject({ status: 200 });
    await until('its end', 15_000, async () => (await gateway.tool(botKeys['bot'] ?? '', 'bank__echo', { text: 'x' })).status === 403);
    await until('its record', 5_000, async () => (await records(gateway.data, '--event', 'grant.ended')).some(({ policy_ids: ids }) => String(ids) === `grant:${given.id}`));
  }, 40_000);
});

it('sallyport break-glass: activated with an alarm, marked, open until a second person closes it', async () => {
  const tool = async (): Promise<number> => (await gateway.tool(botKeys['bot'] ?? '', 'bank__echo', { text: 'y' })).status;
  expect(await tool()).toBe(403);
  const made = await as('dora', 'break-glass', 'activate', 'db', '--for', 'bot', '--reason', 'INC-42: stuck');
  expect(made.code, made.err).toBe(0);
  expect(await tool()).toBe(200);
  await hook.wait(1);
  expect(hook.got[0]?.headers['sallyport-event']).toBe('break_glass');
  expect(hook.got[0]?.body).toMatchObject({ event: 'break_glass', break_glass: { id: made.id, role: 'db', for: 'bot', by: 'dora', reason: 'INC-42: stuck' } });
  expect(gateway.err()).toContain('BREAK-GLASS ACTIVATED');
  expect(await (await fetch(`${gateway.url}/ready`)).json()).toMatchObject({ ready: true, notes: ['grants: break glass in use', 'grants: break glass review open'] });
  expect((await as('dora', 'break-glass', 'close', made.id, '--finding', 'fine'))).toMatchObject({ code: 1, err: expect.stringContaining('admin.self') });
  expect((await as('dora', 'break-glass', 'end', made.id)).code).toBe(0);
  expect(await tool()).toBe(403);
  expect((await as('eli', 'break-glass', 'list')).out).toContain('REVIEW OPEN');
  expect((await as('eli', 'break-glass', 'close', made.id, '--finding', 'one call, as told')).code).toBe(0);
  expect(await (await fetch(`${gateway.url}/ready`)).json()).toEqual({ ready: true, causes: [] });
  const all = await records(gateway.data);
  expect(all.filter(({ event }) => String(event).startsWith('break_glass.')).map(({ event, caller_id: by }) => [event, by])).toEqual([['break_glass.activated', 'admin:dora'], ['break_glass.ended', 'admin:dora'], ['break_glass.closed', 'admin:eli']]);
  expect(all.filter(({ policy_ids: ids }) => Array.isArray(ids) && ids.includes(`break_glass:${made.id}`)).map(({ event }) => event)).toContain('call.finished');
}, 40_000);
