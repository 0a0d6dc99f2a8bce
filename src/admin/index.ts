import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Approvals, Approver } from '../approve/index.ts';
import type { Grants } from '../authorize/grants/index.ts';
import type { PostJson } from '../egress/index.ts';
import type { Clock } from '../lib/clock.ts';
import { listenFault } from '../lib/loopback.ts';
import { createOriginGuard } from '../lib/origin.ts';
import type { Store } from '../store/index.ts';
import type { AdminKeys } from './admin-keys.ts';
import { createCallbacks } from './callback.ts';
import type { AdminConfig, WebhookConfig } from './config.ts';
import { createFailures } from './failures.ts';
import { type Answer, refused } from './faults.ts';
import { type Heads, readHeads } from './heads.ts';
import { createLinks } from './links.ts';
import type { RouteDeps } from './asked.ts';
import { bodyFault, type Route, routesAt } from './routes.ts';
import { createServer, MAX_BODY, readBody, respond } from './server.ts';
import { startWebhooks } from './webhooks.ts';

export { AdminFault, createAdminKeys, describeAdmin } from './admin-keys.ts';
export type { AdminKeys, AdminRecord } from './admin-keys.ts';
export { lineOf, screenOf } from './screen.ts';
export type { ApprovalView } from './view.ts';
export { grantLine } from './grants.ts';
export type { EmergencyView, GrantView } from './grants.ts';

export interface AdminDeps {
  readonly approvals: Approvals;
  readonly grants: Grants;
  readonly keys: AdminKeys;
  readonly store: Store;
  readonly clock: Clock;
  readonly secret: (ref: string) => Promise<string>;
  /** Through egress/. */
  readonly postJson: PostJson;
  /** 32 bytes of the gateway's own, for links alone. */
  readonly linkKey: Buffer;
  /** Puts `admin.refused` into the record. */
  readonly note: (event: string, fields: { readonly caller_id: string | null; readonly error: string }) => Promise<void>;
  readonly log: (message: string, fields?: object) => void;
}
/** How people decide: a door of their own, messages to them, links and callbacks from them. No credential of an agent opens any of it. */
export interface Admin {
  /** Starts to listen and to send; null: no listener is configured. Rejects when the address is taken. */
  readonly listen: () => Promise<{ readonly url: string; readonly port: number } | null>;
  /** Why people cannot decide at present, or null. */
  readonly ready: () => string | null;
  readonly close: () => Promise<void>;
}
interface Room extends RouteDeps {
  readonly guard: ReturnType<typeof createOriginGuard>;
  readonly failures: ReturnType<typeof createFailures>;
  readonly deps: AdminDeps;
  fault: string | null;
  inFlight: number;
  /** Bodies being read of senders who have proved nothing yet. */
  strangers: number;
}
const MOST_IN_FLIGHT = 64;
/** Slow senders without a key take these places and no others, so they cannot keep people out (CWE-400). */
const MOST_STRANGERS = 8;

export function createAdmin(config: AdminConfig, webhooks: readonly WebhookConfig[], deps: AdminDeps): Admin {
  const links = createLinks(deps.linkKey, deps.store, deps.keys, deps.clock);
  const base = (config.public_url ?? '').replace(/\/$/, '');
  const room: Room = {
    approvals: deps.approvals, grants: deps.grants, keys: deps.keys, clock: deps.clock, links, deps,
    callback: createCallbacks(webhooks, deps),
    guard: createOriginGuard({ ...config, origins: [] }),
    failures: createFailures(deps.clock), fault: null, inFlight: 0, strangers: 0,
  };
  let server: Server | null = null;
  let sender: { readonly close: () => Promise<void> } | null = null;
  return {
    listen: async () => {
      sender = startWebhooks(webhooks, { ...deps, onAlarm: (listener) => deps.grants.onAlarm((emergency) => listener({ kind: 'break_glass', emergency })), linkFor: (event, approver) => (base === '' || config.port === null ? null : `${base}/links/${links.make(event.request, `admin:${approver}`)}`) });
      for (const { approver } of webhooks) if (approver !== null && (await deps.keys.byId(`admin:${approver}`)) === null) deps.log('webhook: its approver is no admin, so its links and callbacks decide nothing', { error: approver });
      if (config.port === null) return null;
      const wrong = listenFault(config);
      if (wrong !== null) throw new Error(`admin.host: ${wrong}`);
      server = await createServer(config, deps.secret);
      const serve = (req: IncomingMessage, res: ServerResponse): void => void arrive(room, req, res);
      server.on('request', serve);
      server.on('checkContinue', serve);
      return await bind(server, config, config.port);
    },
    ready: () => room.fault,
    close: async () => {
      await sender?.close();
      const closing = server;
      if (closing === null) return;
      await new Promise<void>((done) => {
        closing.close(() => done());
        closing.closeIdleConnections();
        setTimeout(() => closing.closeAllConnections(), 1_000).unref();
      });
    },
  };
}

function bind(server: Server, config: AdminConfig, port: number): Promise<{ url: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, config.host.replace(/^\[(.*)\]$/, '$1'), () => {
      server.off('error', reject);
      const bound = server.address() as AddressInfo; // a TCP listener has one
      const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
      resolve({ url: config.public_url ?? `${config.tls === null ? 'http' : 'https'}://${shown}:${bound.port}`, port: bound.port });
    });
  });
}

/** One request; whatever is thrown is an answer that nothing was decided. */
async function arrive(room: Room, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const heads = readHeads(req.rawHeaders);
  const announced = heads['transfer-encoding'] !== null || (heads['content-length'] ?? '0') !== '0';
  const routes = routesAt((req.url ?? '').split('?', 1)[0] ?? '');
  room.inFlight += 1;
  res.once('close', () => { room.inFlight -= 1; });
  let answer: Answer;
  try {
    answer = await judged(room, req, res, heads, routes, announced);
    if (room.fault !== null && 'status' in answer) room.fault = null;
  } catch (thrown) {
    if (req.destroyed && !req.complete) return;
    room.fault = 'admin: unavailable';
    room.deps.log('admin: a request could not be answered', { error: String(thrown) });
    answer = refused('admin.unavailable');
  }
  respond(res, answer, announced && !req.complete, 'refused' in answer && answer.refused === 'admin.method' ? routes.map(({ method }) => method).join(', ') : null);
}

async function judged(room: Room, req: IncomingMessage, res: ServerResponse, heads: Heads, routes: readonly Route[], announced: boolean): Promise<Answer> {
  const wrong = headFault(room, req, heads, announced);
  if (wrong !== null) return wrong;
  const route = routes.find(({ method }) => method === req.method);
  // A stranger learns nothing of which paths there are beyond what is documented; approvals are looked up after the key was judged.
  if (routes.length === 0) return refused('admin.path');
  if (route === undefined) return refused('admin.method');
  const query = queryOf(req.url ?? '', route);
  if (query === null) return refused('admin.body', 'Credentials and other parameters do not go into the query.');
  const person = route.proof === 'key' ? await personOf(room, heads) : null;
  if (route.proof === 'key' && person === null) return await failed(room, req, 'admin.unauthenticated');
  const body = route.method === 'GET' ? Buffer.alloc(0) : await bodyOf(room, route, req, res, heads);
  if (!Buffer.isBuffer(body)) return body;
  const answer = await route.run({ heads, query, body, person }, room);
  const isProofWrong = (route.proof === 'link' && 'status' in answer && answer.status === 404) || ('refused' in answer && answer.refused === 'admin.signature');
  return isProofWrong ? await failed(room, req, answer) : answer;
}

/** Everything that can be told from the head: DNS rebinding (CWE-350), web pages that call us (CSRF), hidden second requests (CWE-444). */
function headFault(room: Room, req: IncomingMessage, heads: Heads, announced: boolean): Answer | null {
  if (heads.fault !== null || (req.method === 'GET' && announced)) return refused('admin.headers');
  if (!room.guard.hostAllowed(heads.host)) return refused('admin.host');
  if (!room.guard.originAllowed(heads.origin, heads.host)) return refused('admin.origin');
  return room.inFlight > MOST_IN_FLIGHT ? refused('admin.busy') : null;
}
/** null: something stands there that this endpoint does not take, or takes once only. */
function queryOf(url: string, route: Route): URLSearchParams | null {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const names = [...query.keys()];
  return names.length === new Set(names).size && names.every((name) => route.query.includes(name)) && (at < 0 || route.query.length > 0) ? query : null;
}

/** Only `Authorization: Bearer spa_…`: no cookie, so that no web page can borrow a person's browser (CSRF), and no header that agents use. */
async function personOf(room: Room, heads: Heads): Promise<Approver | null> {
  const given = /^bearer (\S+)$/i.exec(heads.authorization ?? '')?.[1];
  return given === undefined ? null : await room.keys.byKey(given);
}
/** A wrong proof: recorded, without what was shown (CWE-532), a few times a minute for each address. */
async function failed(room: Room, req: IncomingMessage, answer: Answer | 'admin.unauthenticated'): Promise<Answer> {
  if (!room.failures.count(req.socket.remoteAddress ?? '')) return refused('admin.rate');
  const code = typeof answer === 'string' ? answer : 'refused' in answer ? answer.refused : 'admin.link';
  await room.deps.note('admin.refused', { caller_id: null, error: `${code} from ${req.socket.remoteAddress ?? 'nowhere'}` });
  return typeof answer === 'string' ? refused(answer) : answer;
}

async function bodyOf(room: Room, route: Route, req: IncomingMessage, res: ServerResponse, heads: Heads): Promise<Buffer | Answer> {
  const wrong = bodyFault(route, heads);
  if (wrong !== null) return wrong;
  if (Number(heads['content-length'] ?? 0) > MAX_BODY) return refused('admin.too_large');
  const isStranger = route.proof !== 'key';
  if (isStranger && room.strangers >= MOST_STRANGERS) return refused('admin.busy');
  if (req.headers.expect !== undefined) res.writeContinue();
  room.strangers += isStranger ? 1 : 0;
  try {
    return (await readBody(req)) ?? refused('admin.too_large');
  } finally {
    room.strangers -= isStranger ? 1 : 0;
  }
}
