import type { Answer, Journaled } from '../../call/call.ts';
import type { JsonObject } from '../../call/json.ts';
import { worded } from '../answer.ts';

/** The answer by which the gateway itself asks a modern client (MCP 2026-07-28 MRTR). `state` is sealed. */
export function inputRequired(call: Journaled, questions: readonly { readonly key: string; readonly method: string; readonly paramsText: string }[], state: string): Answer {
  const requests = questions.map(({ key, method, paramsText }) => `${JSON.stringify(key)}:{"method":${JSON.stringify(method)},"params":${paramsText}}`);
  const text = `{"resultType":"input_required","inputRequests":{${requests.join(',')}},"requestState":${JSON.stringify(state)}}`;
  return worded(call.message.rpcId, 200, 'result', text, JSON.parse(text) as JsonObject, call.session, 'unknown'); // parse edge: the params were parsed before
}
