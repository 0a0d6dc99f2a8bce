import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { adminConfig, webhooksConfig } from '../../src/admin/config.ts';
import { type Admin, type AdminKeys, createAdmin, createAdminKeys } from '../../src/admin/index.ts';
import type { ApprovalRequest } from '../../src/approve/index.ts';
import { egressConfig } from '../../src/egress/config.ts';
import { authorizeConfig } from '../../src/authorize/config.ts';
import { createGrants } from '../../src/authorize/grants/index.ts';
import { type Authorize, createAuthorize } from '../../src/authorize/index.ts';
import { createEgress } from '../../src/egress/index.ts';
import { knowNames } from '../../src/lib/person.ts';
import { type CallParts, callOf, openRig, removeFolder, type Rig } from './approve-rig.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}
export interface AdminRig {
  readonly rig: Rig;
  /** What grants given here work on. */
  readonly authorize: Authorize;
  readonly admin: Admin;
  readonly keys: AdminKeys;
  readonly port: number;
  /** Of dora (ops), eli (ops), mia (nobody’s group) and bot (ops, the requester’s own name). */
  readonly key: Readonly<Record<'dora' | 'eli' | 'mia' | 'bot', string>>;
  readonly notes: { event: string; error: string }[];
  readonly logs: string[];
  readonly ask: (method: string, path: string, options?: { readonly key?: string; readonly headers?: readonly string[]; readonly body?: string }) => Promise<AdminAnswer>;
  readonly decide: (id: string, key: string, body?: object) => Promise<AdminAnswer>;
  /** A call that waits now. */
  readonly waiting: (parts?: CallParts) => Promise<ApprovalRequest>;
  readonly close: () => Promise<void>;
}

/** The admin door on a real socket over a real store and real approvals. `secrets`: values of `env:NAME` references. */
export async function openAdminRig(options: { readonly admin?: object; readonly webhooks?: readonly object[]; readonly approve?: object; readonly authorize?: object; readonly secrets?: Readonly<Record<string, string>> } = {}): Promise<AdminRig> {
  let keys: AdminKeys | null = null;
  const rig = await openRig(options.approve, { approverNow: async (id) => (await keys?.byId(id)) ?? null });
  const clock = { now: () => rig.time.now, monotonic: () => rig.time.steady };
  const admins = (keys = createAdminKeys(rig.store, clock));
  const make = async (name: string, groups: readonly string[]): Promise<string> => (await admins.create({ name, user: name, groups }, 90 * 86_400_000)).key;
  const key = { dora: await make('dora', ['ops']), eli: await make('eli', ['ops']), mia: await make('mia', ['others']), bot: await make('bot', ['ops']) };
  const egress = createEgress(egressConfig.parse({ fetch_timeout_ms: 1_000 }));
  const notes: AdminRig['notes'] = [];
  const logs: string[] = [];
  const policy = authorizeConfig.parse(options.authorize ?? {});
  const authorize = createAuthorize(policy, { clock });
  const grants = await createGrants({
    config: () => policy, store: rig.store, clock, namesOf: knowNames({}), personNow: admins.byId, apply: (rules) => authorize.replace(rules, 'grants'), onChange: () => undefined,
    log: (message, fields) => void logs.push(`${message} ${JSON.stringify(fields)}`), note: (event, { tool_input }) => Promise.resolve(void notes.push({ event, error: JSON.stringify(tool_input) })),
  });
  const admin = createAdmin(adminConfig.parse({ port: 0, ...options.admin }), webhooksConfig.parse(options.webhooks ?? []), {
    approvals: rig.approve.approvals, grants, keys: admins, store: rig.store, clock, postJson: egress.postJson, linkKey: randomBytes(32),
    secret: (ref) => Promise.resolve(options.secrets?.[ref.slice(4)] ?? ''), log: (message, fields) => void logs.push(`${message} ${JSON.stringify(fields)}`),
    note: (event, { error }) => Promise.resolve(void notes.push({ event, error })),
  });
  const port = (await admin.listen())?.port ?? 0;
  const ask: AdminRig['ask'] = (method, path, { key: shown, headers = [], body } = {}) => new Promise((done, fail) => {
    const all = [...(headers.some((name) => name.toLowerCase() === 'host') ? [] : ['host', `127.0.0.1:${port}`]), ...headers, ...(shown === undefined ? [] : ['authorization', `Bearer ${shown}`]), ...(body === undefined ? [] : ['content-length', String(Buffer.byteLength(body))])];
    const req = httpRequest({ host: '127.0.0.1', port, method, path, headers: all, setDefaultHeaders: false, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => done({ status: res.statusCode ?? 0, headers: res.headers, text, body: text.startsWith('{') ? JSON.parse(text) : null }));
    });
    req.on('error', fail);
    req.end(body);
  });
  return {
    rig, authorize, admin, keys: admins, port, key, notes, logs, ask,
    decide: (id, who, body = { verdict: 'approve', rationale: 'looked at it' }) => ask('POST', `/approvals/${id}/decision`, { key: who, headers: ['content-type', 'application/json'], body: JSON.stringify(body) }),
    waiting: async (parts) => {
      await rig.judge(callOf(parts));
      const [newest] = await rig.approve.approvals.list({ state: 'pending', limit: 1 });
      if (newest === undefined) throw new Error('nothing waits');
      return newest;
    },
    close: async () => {
      await admin.close();
      await grants.stop();
      await egress.close();
      await rig.close();
      removeFolder(rig);
    },
  };
}

export interface Delivered {
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages of every shape
  readonly body: any;
}
/** A receiver of webhooks; `answers`: the statuses it gives, the last one for good. */
export async function openReceiver(answers: readonly number[] = [200]): Promise<{ readonly url: string; readonly got: Delivered[]; readonly wait: (count: number) => Promise<void>; readonly close: () => Promise<void> }> {
  const got: Delivered[] = [];
  let told: (() => void) | null = null;
  const server: Server = createServer((req, res) => {
    let text = '';
    req.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => {
      got.push({ headers: req.headers, text, body: JSON.parse(text) });
      const status = answers[Math.min(got.length, answers.length) - 1] ?? 200;
      res.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
      told?.();
    });
  });
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=s3`, got,
    wait: async (count) => {
      while (got.length < count) await new Promise<void>((done) => (told = done));
    },
    close: () => new Promise((done) => {
      server.closeAllConnections();
      server.close(() => done());
    }),
  };
}
