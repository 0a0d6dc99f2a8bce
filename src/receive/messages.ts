import type { CallId, Message, Received } from '../call/call.ts';
import { newId } from '../lib/ids.ts';
import { Batch } from './batch.ts';
import { ChannelPost } from './channel-post.ts';
import { CHANNEL_VERSION, LEGACY_VERSIONS, spokenOf, UNSAID_VERSION } from './ladder.ts';
import { readMessage } from './message.ts';
import { type Carrier, Part } from './part.ts';
import { readBatch } from './read-batch.ts';
import { type Arrival, received } from './received.ts';
import type { Room } from './room.ts';
import type { Channel } from './streams.ts';

/** The body of a POST to `/mcp` or `/s/<server>/mcp`: one message, or a batch. */
export function mcpMessage(room: Room, arrival: Arrival, bytes: Buffer): void {
  const { exchange, heads } = arrival;
  const limits = { maxDepth: room.config.max_depth, maxKeys: room.config.max_keys };
  const read = readMessage(bytes, limits);
  if ('refusal' in read) {
    if (read.isBatch === true && (heads.version === null || BATCHING.has(heads.version))) return batch(room, arrival, bytes, heads.version ?? UNSAID_VERSION, null);
    return void exchange.refuse(read.refusal, { rpcId: read.rpcId });
  }
  const { message } = read;
  const spoken = spokenOf(message, heads);
  if ('refusal' in spoken) return void exchange.refuse(spoken.refusal, { rpcId: idOf(message) }, spoken.data);
  exchange.run(received(arrival, message, spoken.era, spoken.version));
}
/** Revisions whose clients may send batches; resolve/ asks the session too. */
const BATCHING: ReadonlySet<string> = new Set([CHANNEL_VERSION, '2025-03-26']);
const idOf = (message: Message): string | number | null => (message.kind === 'request' ? message.rpcId : null);

/** The body of a POST to a channel's address. Whether there is such a channel is not told before the corridor knows who asks. */
export function channelMessage(room: Room, arrival: Arrival, bytes: Buffer, id: string, server: string | null): void {
  const { exchange, heads } = arrival;
  const channel = room.streams.channel(id, server);
  const read = readMessage(bytes, { maxDepth: room.config.max_depth, maxKeys: room.config.max_keys });
  if ('refusal' in read) {
    if (read.isBatch === true) return batch(room, arrival, bytes, heads.version ?? channel?.version() ?? CHANNEL_VERSION, { channel });
    return void exchange.refuse(read.refusal, { rpcId: read.rpcId });
  }
  const { message } = read;
  const spoken = spokenOf(message, heads);
  if ('refusal' in spoken) return void exchange.refuse(spoken.refusal, { rpcId: idOf(message) }, spoken.data);
  if (spoken.era !== 'legacy') return void exchange.refuse({ code: 'receive.version', note: 'a modern message on a channel' }, { rpcId: idOf(message) });
  const version = heads.version ?? askedFor(message) ?? channel?.version() ?? CHANNEL_VERSION;
  start(room, arrival, [message], version, { channel }, false);
}
/** What an `initialize` wants to speak, when we know it. */
function askedFor(message: Message): string | null {
  const asked = message.method === 'initialize' ? message.params['protocolVersion'] : undefined;
  return LEGACY_VERSIONS.find((known) => known === asked) ?? null;
}

/** `channel: null`: the address names none that is open on this endpoint. */
interface OnChannel {
  readonly channel: Channel | null;
}

function batch(room: Room, arrival: Arrival, bytes: Buffer, version: string, on: OnChannel | null): void {
  const { exchange, heads } = arrival;
  const read = readBatch(bytes, { maxDepth: room.config.max_depth, maxKeys: room.config.max_keys });
  if ('refusal' in read) return void exchange.refuse(read.refusal);
  const { messages } = read;
  // A batch is of one revision, and that is an old one: a message that claims another would be judged by other rules than its neighbours.
  const isLegacy = messages.every((message) => {
    const spoken = spokenOf(message, heads);
    return !('refusal' in spoken) && spoken.era === 'legacy';
  });
  if (!isLegacy) return void exchange.refuse({ code: 'receive.message', note: 'a modern message in a batch' });
  // Fifty at once must not slip by the limit that each alone would have met (CWE-770).
  if (room.load.inFlight + messages.length > room.config.max_in_flight) return void exchange.refuse({ code: 'receive.overloaded', retryAfterMs: 1000 });
  start(room, arrival, messages, version, on, true);
}

/** Hands the messages to the corridor, each as a call of its own; the first has the id of the exchange. */
function start(room: Room, arrival: Arrival, messages: readonly Message[], version: string, on: OnChannel | null, isBatch: boolean): void {
  const { exchange } = arrival;
  const [only] = messages;
  if (on !== null && on.channel === null) {
    // An id that no session has: the corridor says who is not known, and otherwise that the session is not.
    if (only !== undefined) exchange.run({ ...received(arrival, only, 'legacy', version), channel: true, sessionId: '' });
    return;
  }
  const channel = on?.channel ?? null;
  const post = channel === null ? null : new ChannelPost(exchange, channel, messages.length);
  const carrier: Carrier = post ?? new Batch(exchange, messages.length);
  const parts = messages.map(() => new Part(room, carrier));
  for (const [at, part] of parts.entries()) {
    const message = messages[at];
    if (message === undefined) continue;
    const call: Received = {
      ...received(arrival, message, 'legacy', version), side: part,
      ...(at === 0 ? {} : { id: newId() as CallId }), // the mint of call ids, for the messages of a batch
      ...(channel === null ? {} : { channel: true, sessionId: channel.id, signal: channel.signal }),
      ...(isBatch ? { batched: true } : {}),
    };
    part.run(call);
  }
  post?.accept(parts);
}
