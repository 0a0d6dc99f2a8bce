import type { Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { worded } from '../answer.ts';
import { go, type Done } from '../room.ts';

/** A result of the gateway's own. */
export const answer = (call: Journaled, value: JsonObject): Done => go(worded(call.message.rpcId, 200, 'result', JSON.stringify(value), value, call.session, 'done'));

/** An error of the gateway's own; nothing was done. */
export function error(call: Journaled, status: number, code: number, message: string): Done {
  const value = { code, message };
  return go(worded(call.message.rpcId, status, 'error', JSON.stringify(value), value, call.session, 'none'));
}
