import { isAscii } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallId, Known, Outcome, Received, SafeResult, Side } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import type { Principal } from '../call/principal.ts';
import type { Refusal } from '../call/refusal.ts';
import { eventBlock } from '../lib/sse.ts';
import { GaveUp } from './gave-up.ts';
import { type BodyEnd, BodyReader } from './body.ts';
import { type Asked, refusalMessage, refusalReply, type Reply, tell } from './respond.ts';
import { aboutOf, restRefusal, restResult } from './rest.ts';
import { linger } from './linger.ts';
import type { Refused } from './part.ts';
import type { Channel, OpenStream } from './streams.ts';
import type { Room } from './room.ts';

const NO_BLOCKS: Buffer[] = [];
const NO_BYTES = Buffer.alloc(0);

/** One HTTP request and its answer: the side channel of its call, and the only place that writes to the socket. */
export class Exchange implements Side, OpenStream {
  readonly id: CallId;
  readonly receivedAt: number;
  readonly door: 'mcp' | 'rest';
  readonly server: string | null;
  readonly res: ServerResponse;
  /** Headers every answer on this exchange gets besides the fixed ones (CORS). */
  extra: readonly string[] = [];
  private readonly room: Room;
  private call: Received | null = null;
  readonly signal = new GaveUp();
  private isSse = false;
  private isDetached = false;
  private isGone = false;
  private isCut = false;
  private isCounted = false;
  private body: BodyReader | null = null;
  private writtenAt = 0;
  /** Events that came before the answer to `initialize`, which alone knows the session id for the headers. */
  private early: Buffer[] = NO_BLOCKS;

  constructor(room: Room, res: ServerResponse, id: CallId, door: 'mcp' | 'rest', server: string | null) {
    this.room = room;
    this.res = res;
    this.id = id;
    this.receivedAt = room.deps.clock.now();
    this.door = door;
    this.server = server;
  }

  get isStream(): boolean {
    const message = this.call?.message;
    return message !== undefined && (message.kind === 'stream' || message.method === 'subscriptions/listen');
  }
  readonly principal = (): Principal | null => this.known?.principal ?? null;
  readonly sessionId = (): string | null => (this.call?.message.kind === 'stream' ? (this.known?.session?.id ?? null) : null);
  readonly channel = (): Channel | null => {
    const { call } = this;
    const { session, principal } = this.known ?? {};
    if (call === null || call.message.kind !== 'stream' || session?.kind !== 'channel' || principal === undefined) return null;
    return { id: session.id, server: call.server, principalId: principal.id, version: () => session.version, signal: this.signal, write: this.write };
  };
  get resumes(): boolean {
    return this.call?.lastEventId != null;
  }
  readonly lastWriteAt = (): number => this.writtenAt;
  /** The stages add their facts to the record of the call, so what they found can be read here. */
  private get known(): Known | null {
    return this.call;
  }

  /** Reads the body; `done` is not called when the client goes away meanwhile. */
  read(req: IncomingMessage, length: number, done: (end: BodyEnd) => void): void {
    if (length === 0) return done(NO_BYTES);
    const { config, load } = this.room;
    this.body = new BodyReader(req, load, { maxBytes: config.max_bytes, maxTotal: config.max_body_total_bytes }, length, done);
  }

  /** Hands the call to the corridor and writes what comes out. */
  run(call: Received): void {
    this.call = call;
    this.body = null;
    // Open-ended streams are not counted: they stay for hours, and limit/ counts them.
    this.isCounted = !this.isStream;
    if (this.isCounted) this.room.load.inFlight++;
    this.room.deps.handle(call).then(this.finish, (thrown: unknown) => this.finish({ effect: 'unknown', refusal: { code: 'gateway.bug', note: String(thrown) } }));
  }

  /** The client is gone. In the modern era, and for streams, that is a cancellation; in the legacy eras only the notification is. */
  readonly gone = (): void => {
    if (this.isGone) return;
    this.isGone = true;
    this.room.streams.delete(this);
    this.body?.release();
    if (this.call !== null && !this.res.writableEnded && (this.call.era === 'modern' || this.isStream)) this.signal.abort();
  };

  readonly event = (block: Buffer): boolean => {
    const call = this.call;
    if (this.isGone || this.isDetached || call === null) return false;
    if (call.door === 'rest') return true; // one answer, no stream: nobody to tell
    if (call.message.method === 'initialize' && !this.isSse) return this.keepEarly(block);
    if (!this.isSse) this.openStream(200, null);
    return block.length === 0 || this.write(block);
  };

  readonly write = (block: Buffer): boolean => {
    if (this.isGone || !this.isSse || this.res.writableEnded) return false;
    this.writtenAt = this.room.deps.clock.monotonic();
    this.res.write(block);
    // A reader that does not read would have us keep everything for it (CWE-770, slow read).
    if (this.res.writableLength <= this.room.config.max_buffered_bytes) return true;
    this.room.deps.log('a reader was too slow', { correlation_id: this.id });
    this.res.destroy();
    this.gone();
    return false;
  };

  readonly detached = (): void => {
    if (this.isGone || this.isDetached) return;
    if (!this.isSse) this.openStream(200, null);
    this.isDetached = true;
    this.room.streams.delete(this);
    this.endWith(null);
  };

  readonly cut = (): void => {
    this.isCut = true;
    this.signal.abort();
    this.room.streams.delete(this);
    this.isGone = true;
    this.endWith(null);
  };

  /** Begins the event stream that carries the answers of several calls; `lead` is one of them, for its credential and session. */
  openFor(lead: Known | null): void {
    if (this.isGone || this.isSse) return;
    this.call = lead;
    this.openStream(200, null);
  }
  endStream(): void {
    this.room.streams.delete(this);
    if (!this.isGone) this.endWith(null);
  }
  /** Taken; what there is to say is said elsewhere. Only the first of `accept` and `reply` counts. */
  accept(): void {
    if (this.isGone || this.res.headersSent) return;
    this.sendHead(202, NOTHING, null, 0);
    this.res.end();
  }
  /** A refusal that the corridor has recorded, as the whole HTTP answer. */
  reply({ asked, refusal }: Refused): void {
    if (this.isGone || this.res.headersSent) return;
    this.send(refusalReply(asked, refusal, this.room.config.resource_metadata_url));
  }

  /** A refusal before the corridor: recorded first (no record, no answer), then told. */
  async refuse(refusal: Refusal, asked: Partial<Asked> = {}, data?: Json, more: readonly string[] = []): Promise<void> {
    const { deps, config } = this.room;
    let shown = refusal;
    try {
      await deps.refuse({ id: this.id, receivedAt: this.receivedAt, door: this.door, server: this.server !== null && deps.serverExists(this.server) ? this.server : null, remoteAddress: this.res.req.socket.remoteAddress ?? '', refusal });
    } catch (thrown) {
      deps.log('a refusal could not be recorded', { correlation_id: this.id, fault: String(thrown) });
      shown = { code: 'audit.unavailable', effect: 'none' };
    }
    if (this.isGone) return;
    const reply =
      this.door === 'rest'
        ? restRefusal({ id: this.id, caller: null, tool: null, latencyMs: deps.clock.now() - this.receivedAt }, shown, config.resource_metadata_url)
        : refusalReply({ id: this.id, door: 'mcp', era: 'legacy', method: '', rpcId: null, ...asked }, shown, config.resource_metadata_url, data);
    this.send(more.length === 0 ? reply : { ...reply, headers: [...reply.headers, ...more] });
  }

  private readonly finish = (outcome: Outcome): void => {
    const call = this.call;
    if (call === null) return;
    this.room.streams.delete(this);
    if (call.channel === true) this.signal.abort(); // what runs in the channel has lost it
    if (this.isCounted) this.room.load.inFlight--;
    this.room.ended();
    if (call.door === 'rest') this.finishRest(call, outcome);
    else if ('result' in outcome) this.finishResult(outcome.result);
    else this.finishRefusal(call, outcome.refusal);
  };

  private finishRest(call: Received, outcome: Outcome): void {
    if (this.isGone) return;
    const about = aboutOf(call, this.room.deps.clock.now() - this.receivedAt);
    const metadata = this.room.config.resource_metadata_url;
    const reply = 'result' in outcome ? restResult(about, outcome.result) : restRefusal(about, outcome.refusal, metadata);
    this.send(reply ?? restRefusal(about, { code: 'gateway.bug' }, metadata));
  }

  private finishResult(result: SafeResult): void {
    if (result.bytes.length === 0) this.finishEmpty(result);
    else if (this.isGone || this.isDetached) this.handOver(result.event ?? eventBlock(result.bytes));
    else if (this.isSse) this.endWith(result.event ?? eventBlock(result.bytes));
    else if (result.event !== null || this.early !== NO_BLOCKS) {
      const last = result.event ?? eventBlock(result.bytes);
      this.sendHead(result.status, SSE, result.session?.id ?? null, null);
      this.endWith(this.early === NO_BLOCKS ? last : Buffer.concat([...this.early, last]));
    } else {
      this.sendHead(result.status, JSON_TYPE, result.session?.id ?? null, result.bytes.length);
      this.endWith(result.bytes);
    }
  }

  /** As text, head and body go out as one piece, which is cheaper than two; for ASCII the text is the bytes. */
  private endWith(body: Buffer | null): void {
    if (body === null) this.res.end();
    else if (body.length <= 65_536 && isAscii(body)) this.res.end(body.toString('latin1'), 'latin1');
    else this.res.end(body);
    // Who takes nothing of an answer would have us keep it for as long as the connection lives (CWE-770, slow read).
    if (this.res.writableLength > 0) this.res.setTimeout(this.room.config.request_timeout_ms);
  }

  /** 202 for what needs no answer, the end of streams, statuses without a body. */
  private finishEmpty(result: SafeResult): void {
    if (this.isGone || this.isDetached) return;
    if (this.isSse) return void this.endWith(null);
    this.sendHead(result.status, result.status === 405 ? ['allow', 'POST'] : NOTHING, null, result.status === 204 ? null : 0);
    this.res.end();
  }

  private finishRefusal(call: Received, refusal: Refusal): void {
    const asked: Asked = { id: call.id, door: 'mcp', era: call.era, method: call.message.method, rpcId: call.message.kind === 'request' ? call.message.rpcId : null };
    if (!this.isSse && !this.isGone) return this.send(refusalReply(asked, refusal, this.room.config.resource_metadata_url));
    if (this.isGone && !this.isDetached && !this.isSse) return;
    if (asked.rpcId === null || this.isStream) return void (this.isGone || this.endWith(null)); // nobody waits for an answer to an id
    const block = eventBlock(refusalMessage(asked, tell(refusal, 'mcp', asked.method)));
    if (this.isGone || this.isDetached) this.handOver(block);
    else this.endWith(block);
  }

  /** The answer's own stream has ended: legacy clients come back for it with a GET (MCP 2025-11-25 "Resumability"). */
  handOver(block: Buffer): void {
    const session = this.known?.session ?? null;
    if (session === null || this.isCut || !this.isSse || this.isStream || this.call?.era !== 'legacy') return;
    this.room.streams.deliver(session.id, block);
  }

  private keepEarly(block: Buffer): boolean {
    if (this.early === NO_BLOCKS) this.early = [];
    if (this.early.length >= 64 || block.length > 65_536) return false;
    this.early.push(block);
    return true;
  }

  private openStream(status: number, session: string | null): void {
    this.isSse = true;
    this.writtenAt = this.room.deps.clock.monotonic();
    this.sendHead(status, SSE, session, null);
    this.room.streams.add(this);
    this.res.flushHeaders();
  }

  private send(reply: Reply): void {
    this.sendHead(reply.status, reply.headers, null, reply.body.length);
    if (this.res.shouldKeepAlive || this.res.req.complete) this.endWith(reply.body);
    else linger(this.res, reply.body, this.room.config.max_bytes);
  }

  /** The fixed list: nothing of a server's or a client's headers is ever copied here (CWE-113, CWE-200). */
  private sendHead(status: number, headers: readonly string[], session: string | null, length: number | null): void {
    const out = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff', 'x-correlation-id', this.id, ...headers];
    if (length !== null) out.push('content-length', String(length));
    if (session !== null && this.call?.era === 'legacy') out.push('mcp-session-id', session);
    if (this.extra.length > 0) out.push(...this.extra);
    if (this.room.load.isDraining) this.res.shouldKeepAlive = false;
    this.res.writeHead(status, out);
  }
}

const JSON_TYPE: readonly string[] = ['content-type', 'application/json'];
const SSE: readonly string[] = ['content-type', 'text/event-stream', 'x-accel-buffering', 'no'];
const NOTHING: readonly string[] = [];
