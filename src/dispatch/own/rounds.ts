import type { JsonObject } from '../../call/json.ts';
import type { Refusal } from '../../call/refusal.ts';
import { cutAt, membersOf, textAt } from '../../lib/json-spans.ts';
import { isObject, parseObject } from '../answer.ts';
import { UpstreamFault, type Exchange, type Reply } from '../upstream.ts';
import type { Asking } from './asking.ts';
import { hasStray, judge, MAX_QUESTIONS } from './asks.ts';
import type { Cancel } from './cancel.ts';
import { nextRound } from './params.ts';
import { type Sending, send, STRETCH, type Trip } from './trip.ts';

/** A server that asks without end would hold the call for ever (CWE-834). */
const MAX_ROUNDS = 8;
/** How long to wait before a server is asked again that only wants more time, ms. */
const PACE_MS = 250;

/** What `input_required` wants: each question with its key, and the state to bring back, both as text. */
export interface Wanted {
  readonly questions: readonly { readonly key: string; readonly method: string; readonly params: JsonObject; readonly paramsText: string }[];
  /** JSON text of the string; null: there is none, so none goes back. */
  readonly state: string | null;
}

/** Reads an `input_required` result. Throws a fault when it is none (MCP 2026-07-28 MRTR). */
export function wantedOf(text: string, value: JsonObject): Wanted {
  const state = value['requestState'];
  const requests = value['inputRequests'];
  const cut = requests === undefined ? null : cutAt(text, ['inputRequests']);
  if ((state !== undefined && typeof state !== 'string') || (requests !== undefined && !isObject(requests)) || (state === undefined && requests === undefined)) throw bad('input_required without questions or state');
  const questions = (cut === null ? [] : membersOf(text, cut.start)).map((member) => {
    const asked = isObject(requests) ? requests[member.name] : undefined;
    if (!isObject(asked) || hasStray(asked, ['method', 'params']) || typeof asked['method'] !== 'string' || (asked['params'] !== undefined && !isObject(asked['params']))) throw bad('an input request that is none');
    return { key: member.name, method: asked['method'], params: isObject(asked['params']) ? asked['params'] : {}, paramsText: textAt(text.slice(member.start, member.end), ['params']) ?? '{}' };
  });
  if (questions.length > MAX_QUESTIONS) throw bad(`more than ${MAX_QUESTIONS} questions at once`);
  return { questions, state: state === undefined ? null : (textAt(text, ['requestState']) ?? null) };
}

/**
 * A legacy client's call to a modern server: whenever it says `input_required`, its questions are put to the client and the same request
 * goes out again with what the client said. The judged arguments are the same in every round, and all rounds are one call.
 */
export async function rounds(trip: Trip, paramsText: string, how: Omit<Sending, 'onQuestion'>, asking: Asking | null, cancel: Cancel, monotonic: () => number): Promise<Exchange> {
  let params = paramsText;
  for (let round = 0; ; round++) {
    const left = trip.startedAt + trip.timeoutMs * STRETCH - monotonic();
    if (left <= 0) throw given({ code: 'dispatch.timeout', effect: 'unknown' });
    const exchange = await send(trip, params, { ...how, onQuestion: null, timeoutMs: Math.min(trip.timeoutMs, left) });
    const value = exchange.result === null ? null : (exchange.parsed ?? parseObject(exchange.result));
    if (exchange.result === null || value === null || value['resultType'] !== 'input_required') return exchange;
    if (round === MAX_ROUNDS) throw given({ code: 'dispatch.translation', tell: 'It asks for more again and again.', note: `more than ${MAX_ROUNDS} rounds`, effect: 'unknown' });
    const wanted = wantedOf(exchange.result, value);
    const responses = await answersTo(wanted, trip, asking);
    if (wanted.questions.length === 0) await pause(cancel);
    if (cancel.signal.aborted) throw given({ code: 'dispatch.cancelled', effect: 'unknown' });
    params = nextRound(paramsText, responses, wanted.state);
  }
}

/** The `inputResponses` member's text; null when nothing was asked. */
async function answersTo(wanted: Wanted, trip: Trip, asking: Asking | null): Promise<string | null> {
  if (wanted.questions.length === 0) return null;
  for (const { method, params, paramsText } of wanted.questions) {
    const judged = judge(method, paramsText, params, trip);
    if (asking === null || ('undeclared' in judged && judged.undeclared)) throw given(cannotAsk(method));
  }
  const said = await Promise.all(wanted.questions.map(async ({ key, method, params, paramsText }) => `${JSON.stringify(key)}:${resultOf(await asking?.ask(method, paramsText, params) ?? null, method, asking)}`));
  return `{${said.join(',')}}`;
}

/** A result passes as the client wrote it. A user who was asked and gave no answer has cancelled; a model that failed has no such word. */
function resultOf(reply: Reply | null, method: string, asking: Asking | null): string {
  if (reply === null) throw given(asking?.refusal() ?? { code: 'dispatch.cancelled', effect: 'unknown' });
  if ('result' in reply) return reply.result;
  if (method === 'elicitation/create') return '{"action":"cancel"}';
  throw given({ code: 'dispatch.unanswered', tell: 'The client answered it with an error.', note: method.slice(0, 64), effect: 'unknown' });
}

/** Words for a server that wants what this caller has not declared. */
export const cannotAsk = (method: string): Refusal => ({
  code: 'dispatch.translation', effect: 'unknown', note: `the server asked for ${method.slice(0, 64)}`,
  tell: 'The server asks for something of its caller that this client has not said it can answer.',
});

function pause(cancel: Cancel): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      cancel.signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, PACE_MS);
    cancel.signal.addEventListener('abort', end);
  });
}

const given = (refusal: Refusal): UpstreamFault => new UpstreamFault(refusal);
const bad = (note: string): UpstreamFault => given({ code: 'dispatch.bad_answer', note, effect: 'unknown' });
