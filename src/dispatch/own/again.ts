import type { Answer } from '../../call/call.ts';
import { isObject, type JsonObject } from '../../call/json.ts';
import { cutAt, elementsOf } from '../../lib/json-spans.ts';
import { parseObject } from '../answer.ts';
import type { Room } from '../room.ts';
import { judge, MAX_QUESTIONS } from './asks.ts';
import { inputRequired } from './input-required.ts';
import type { Trip } from './trip.ts';

/** The state that says: what was asked has been seen to elsewhere, send the call again. */
export const AGAIN = 'again';

/**
 * Error -32042 of 2025-11-25 says that the user must open a URL before the call can work. A modern client gets it as what it knows, to
 * come back with the same call. null: it says something else, or this client cannot be asked that.
 */
export function againOf(text: string, error: JsonObject, trip: Trip, room: Pick<Room, 'sealed'>): Answer | null {
  const data = error['data'];
  const cut = isObject(data) && Array.isArray(data['elicitations']) ? cutAt(text, ['data', 'elicitations']) : null;
  const texts = cut === null ? [] : elementsOf(text, cut.start).map((element) => text.slice(element.start, element.end));
  if (texts.length === 0 || texts.length > MAX_QUESTIONS) return null;
  const questions: { key: string; method: string; paramsText: string }[] = [];
  for (const paramsText of texts) {
    const params = parseObject(paramsText);
    const judged = params?.['mode'] === 'url' ? judge('elicitation/create', paramsText, params, trip) : null;
    if (judged === null || 'instead' in judged) return null;
    questions.push({ key: `q${questions.length + 1}`, method: 'elicitation/create', paramsText: judged.ask });
  }
  return inputRequired(trip.call, questions, room.sealed.close('ticket', trip.call, AGAIN));
}
