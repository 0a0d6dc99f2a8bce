import type { GivenUp, Journaled } from '../../call/call.ts';
import { cutAt, splice, textAt, without } from '../../lib/json-spans.ts';
import { eventBlock } from '../../lib/sse.ts';
import { isObject } from '../answer.ts';
import { dress } from './dress.ts';
import { go, stop, type Done, type Room } from '../room.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';

/** For calls whose target sets no time-out of its own, ms. */
const DEFAULT_MS = 60_000;

/** The own lane: the gateway is the server's client. It sends the judged arguments in the server's era and dresses the result for the caller's. */
export function createOwn(upstreams: ReadonlyMap<string, Upstream>, room: Room, maxBytes: number): (call: Journaled) => Promise<Done> {
  return async (call) => {
    const upstream = upstreams.get(call.target.server ?? '');
    if (upstream === undefined) throw new Error(`no server for ${call.target.id}`);
    const progress = progressOf(call, room);
    const cancel = cancellable(call, room);
    try {
      const exchange = await upstream.request(call.target.method, paramsOf(call), {
        principalId: call.principal.id,
        capabilities: '{}',
        logLevel: null,
        onQuestion: null,
        signal: cancel.signal,
        timeoutMs: call.target.timeoutMs ?? DEFAULT_MS,
        maxBytes,
        onNotification: progress ?? (() => undefined),
        progressToken: progress !== null,
      });
      return go(dress(exchange, upstream.era() ?? 'legacy', call));
    } catch (thrown) {
      if (thrown instanceof UpstreamFault) return stop(thrown.refusal);
      throw thrown;
    } finally {
      cancel.done();
    }
  };
}

/** The params as text: the judged arguments letter for letter, and nothing of the client's `_meta`, which is between it and the gateway. */
function paramsOf(call: Journaled): string {
  if (call.target.tool !== null) return `{"name":${JSON.stringify(call.target.tool.name)},"arguments":${call.input.text}}`;
  return without(textAt(call.message.text, ['params']) ?? '{}', ['_meta']);
}

/** Passes progress on under the client's own token; null when it wants none. */
function progressOf(call: Journaled, room: Room): ((method: string, paramsText: string) => void) | null {
  const meta = call.message.params['_meta'];
  const token = isObject(meta) ? meta['progressToken'] : undefined;
  if (typeof token !== 'string' && typeof token !== 'number') return null;
  return (method, paramsText) => {
    const cut = cutAt(paramsText, ['progressToken']);
    if (cut === null || method !== 'notifications/progress') return;
    const block = room.deps.screen(eventBlock(`{"jsonrpc":"2.0","method":"${method}","params":${splice(paramsText, cut, JSON.stringify(token))}}`), call);
    if (block !== null) call.side.event(block);
  };
}

/** The call's signal, joined with `notifications/cancelled` of its session. */
function cancellable(call: Journaled, room: Room): { readonly signal: GivenUp; readonly done: () => void } {
  const { session, message, signal } = call;
  if (session === null || message.rpcId === null) return { signal, done: () => undefined };
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const forget = room.inFlight.add(session, message.rpcId, abort);
  return {
    signal: controller.signal,
    done: () => {
      signal.removeEventListener('abort', abort);
      forget();
    },
  };
}
