import type { Answer, Journaled } from '../../call/call.ts';
import type { DispatchConfig } from '../config.ts';
import { go, stop, type Done, type Room } from '../room.ts';
import { UpstreamFault, type Exchange, type Upstream } from '../upstream.ts';
import { AGAIN } from './again.ts';
import { createAsking } from './asking.ts';
import { cancellable } from './cancel.ts';
import { dress } from './dress.ts';
import { NOT_FOUND } from './asks.ts';
import { paramsOf } from './params.ts';
import { createParking, type Parking } from './parking.ts';
import { rounds } from './rounds.ts';
import { createTell } from './tell.ts';
import { send, tripOf, type Trip } from './trip.ts';

export interface Own {
  readonly run: (call: Journaled) => Promise<Done>;
  /** Cancels the calls that wait for what this principal, or with null everybody, was asked. */
  readonly drop: Parking['drop'];
}

/**
 * The own lane: the gateway is the server's client. It sends the judged arguments in the server's era, carries what the server asks to
 * the caller in the caller's, and dresses the result for it.
 */
export function createOwn(upstreams: ReadonlyMap<string, Upstream>, room: Room, config: DispatchConfig): Own {
  const parking = createParking(room);

  const answer = (call: Journaled): Done | Promise<Answer> => {
    const upstream = upstreams.get(call.target.server ?? '');
    if (upstream === undefined) throw new Error(`no server for ${call.target.id}`);
    const trip = tripOf(call, upstream, config.servers[upstream.name]?.client_capabilities ?? [], config.max_answer_bytes, room.deps.clock.monotonic());
    const params = paramsOf(trip, room);
    if ('code' in params) return stop(params);
    const finish = (exchange: Exchange): Answer => dress(exchange, trip, room);
    if (params.ticket !== null && params.ticket !== AGAIN) return parking.resume(call, params.ticket, finish) ?? stop({ code: 'dispatch.state', effect: 'none' });
    if (call.era === 'modern' && trip.era === 'legacy' && trip.capabilities !== '{}') return parking.begin(trip, params.text, finish);
    return converse(trip, params.text, room).then(finish);
  };

  return {
    run: async (call) => {
      try {
        const answered = await answer(call);
        return 'stop' in answered || 'go' in answered ? answered : go(answered);
      } catch (thrown) {
        if (thrown instanceof UpstreamFault) return stop(thrown.refusal);
        throw thrown;
      }
    },
    drop: parking.drop,
  };
}

/** A call that is over when its answer is there: what the server asks meanwhile, its client is asked meanwhile. */
async function converse(trip: Trip, paramsText: string, room: Room): Promise<Exchange> {
  const { call } = trip;
  const cancel = cancellable(call, room);
  const tell = createTell(call, room);
  const asking = call.era === 'legacy' && call.session !== null && trip.capabilities !== '{}' ? createAsking(trip, call.session, room, cancel.abort) : null;
  const how = { signal: cancel.signal, onNotification: tell.notification, progressToken: tell.wantsProgress };
  if (asking !== null) cancel.signal.addEventListener('abort', asking.close);
  try {
    if (trip.era === 'modern' && (call.era === 'legacy')) return await rounds(trip, paramsText, how, asking, cancel, room.deps.clock.monotonic);
    const onQuestion = asking === null ? null : async ({ method, paramsText: text, params }: { method: string; paramsText: string; params: Parameters<typeof asking.ask>[2] }) => (await asking.ask(method, text, params)) ?? NOT_FOUND;
    return await send(trip, paramsText, { ...how, onQuestion });
  } catch (thrown) {
    const refusal = asking?.refusal();
    throw thrown instanceof UpstreamFault && refusal != null ? new UpstreamFault(refusal) : thrown;
  } finally {
    asking?.close();
    cancel.done();
  }
}
