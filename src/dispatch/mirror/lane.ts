import type { Journaled } from '../../call/call.ts';
import type { Session } from '../../call/session.ts';
import { bare, refusalOf, refusalOfStatus } from '../answer.ts';
import { withoutCapabilities } from '../capabilities.ts';
import { Exchange, mediaType, type Headers, type Sink } from '../http/exchange.ts';
import { mirrorHeaders, type Link } from '../http/link.ts';
import { MirrorCall } from './call.ts';
import { givenBack, unknownTo } from './given-back.ts';
import type { MirrorRoom } from './room.ts';
import { MirrorStream } from './stream.ts';
import { createTasks, saysTasks } from './tasks.ts';
import { go, stop, type Done, type Room } from '../room.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';

/** How long a message without an answer may take, ms. */
const SHORT_MS = 30_000;
const SHORT_BYTES = 65_536;

/** The mirror lane: same era on both sides, so bytes pass unchanged, with the gateway's credential in place of the client's. */
export function createMirror(links: ReadonlyMap<string, Link>, upstreams: ReadonlyMap<string, Upstream>, outer: Room): (call: Journaled) => Done | Promise<Done> {
  const tasks = createTasks(outer.deps.clock.monotonic);
  const room: MirrorRoom = { ...outer, tasks, hasTasks: (server) => tasks.hasMade(server) || saysTasks(upstreams.get(server)?.info()?.capabilities) };
  return (call) => {
    const link = links.get(call.target.server ?? '');
    if (link === undefined) throw new Error(`no HTTP server for ${call.target.id}`);
    // The gateway itself may have asked, before the server heard of the call: that answer is for nobody else.
    if (call.message.kind === 'response' && call.session !== null && room.questions.answered(call.session, call.message)) return go(bare(202, call.session, 'done'));
    if (call.message.kind === 'response' && !isAwaited(call)) {
      room.deps.log('dropped a response that nobody asked for', { server: link.name, correlation_id: call.id });
      return go(bare(202, call.session, 'none'));
    }
    const credential = link.credential();
    if (!(credential instanceof Promise)) return send(call, link, room, credential);
    return credential.then((ready) => send(call, link, room, ready), (thrown: unknown) => {
      if (thrown instanceof UpstreamFault) return stop(thrown.refusal);
      throw thrown;
    });
  };
}

/** A client may only answer what its own session was asked, once (PROTOCOL 5.5: event injection). */
function isAwaited(call: Journaled): boolean {
  const { rpcId } = call.message;
  return call.session !== null && rpcId !== null && call.session.asked.delete(rpcId);
}

function send(call: Journaled, link: Link, room: MirrorRoom, credential: readonly string[]): Done | Promise<Done> {
  const { kind, method } = call.message;
  if (kind === 'stream') return new Promise((end) => new MirrorStream(call, link, room, end).start(mirrorHeaders(call, call.session, credential, 'GET'), null));
  if (kind === 'end') return endSession(call, link, room, credential);
  const headers = mirrorHeaders(call, call.session, credential, 'POST');
  const body = givenBack(call, kind === 'request' ? withoutCapabilities(call.message, call.era, link.config.client_capabilities) : call.message.bytes, room);
  if (body === null) return stop(unknownTo(call, room));
  if (kind !== 'request') return post(call, link, room, headers);
  // What was judged is what is sent: a judged text that is not the message's own would need the own lane (CWE-367).
  if (call.target.tool !== null && call.input.text !== call.message.argumentsText) throw new Error('the judged arguments are not those of the message');
  if (method === 'subscriptions/listen') return new Promise((end) => new MirrorStream(call, link, room, end).start(headers, body));
  return new Promise((end) => new MirrorCall(call, link, room, end).start(headers, body));
}

/** A notification, or a response to what the server asked: taken or not, there is nothing to read. */
async function post(call: Journaled, link: Link, room: Room, headers: string[]): Promise<Done> {
  const { method, params } = call.message;
  const sent = await short(link, { method: 'POST', headers, body: call.message.bytes });
  const cancelled = params['requestId'];
  if (method === 'notifications/cancelled' && call.session !== null && (typeof cancelled === 'string' || typeof cancelled === 'number')) {
    room.inFlight.cancel(call.session, cancelled);
  }
  if (sent.status === null) return sent.done;
  if (sent.status === 404 && call.session !== null && call.session.upstreamId !== null) return gone(call.session, room);
  return sent.status < 300 ? go(bare(202, call.session, 'done')) : stop(refusalOfStatus(sent.status));
}

async function endSession(call: Journaled, link: Link, room: Room, credential: readonly string[]): Promise<Done> {
  const { session } = call;
  if (session === null) return stop({ code: 'dispatch.session', effect: 'none' });
  await room.inFlight.cancelAll(session); // while the server still knows the session they run in
  const sent = session.upstreamId === null ? null : await short(link, { method: 'DELETE', headers: mirrorHeaders(call, session, credential, 'DELETE'), body: null });
  session.upstreamId = null;
  room.deps.sessions.end(session.id); // whatever the server says: the client is done with it
  if (sent === null) return go(bare(405, session, 'done'));
  if (sent.status === null) return sent.done;
  if (sent.status === 401 || sent.status === 403) return stop(refusalOfStatus(sent.status));
  return go(bare(sent.status === 404 ? 200 : sent.status, session, 'done'));
}

/** Ends the server's own session in the background: the client's has ended for another reason than a DELETE. */
export async function forgetUpstream(link: Link, session: Session): Promise<void> {
  const { upstreamId } = session;
  if (upstreamId === null) return;
  session.upstreamId = null;
  const credential = await link.credential();
  await short(link, { method: 'DELETE', headers: ['mcp-session-id', upstreamId, 'mcp-protocol-version', session.upstreamVersion ?? session.version, ...credential], body: null });
}

function gone(session: Session, room: Room): Done {
  session.upstreamId = null;
  room.deps.sessions.end(session.id);
  return stop({ code: 'dispatch.session', effect: 'none' });
}

/** One small exchange of which only the status counts. */
function short(link: Link, out: { readonly method: 'POST' | 'DELETE'; readonly headers: string[]; readonly body: Buffer | null }): Promise<{ readonly status: number } | { readonly status: null; readonly done: Done }> {
  return new Promise((resolve) => {
    let status = 0;
    const finish = (): void => {
      clearTimeout(timer);
      resolve({ status });
    };
    const fail = (done: Done): void => {
      clearTimeout(timer);
      resolve({ status: null, done });
    };
    const head = (got: number, headers: Headers): void => {
      status = got;
      if (mediaType(headers) !== 'text/event-stream') return;
      exchange.abort(); // there is nothing to wait for on it
      finish();
    };
    const sink: Sink = { head, event: () => undefined, body: finish, ended: finish, broken: (broken) => fail(stop(refusalOf(broken))) };
    const exchange = new Exchange(sink, SHORT_BYTES);
    const timer = setTimeout(() => {
      exchange.abort();
      fail(status === 0 ? stop({ code: 'dispatch.timeout', effect: exchange.sent ? 'unknown' : 'none' }) : go(bare(status, null, 'done')));
    }, SHORT_MS);
    exchange.start(link.calls, { origin: link.origin, path: link.path, ...out });
  });
}
