import { expect, test } from 'vitest';
import { made, session, toolCall } from '../../test/kit/dispatch-rig.ts';
import { createPlaces } from './places.ts';
import { createQuestions } from './questions.ts';

const response = (id: string, member = '"result":{"a" : 1}'): ReturnType<typeof made>['call']['message'] => made(`{"jsonrpc":"2.0","id":"${id}",${member}}`).call.message;
const idOf = (block: string | undefined): string => (JSON.parse(block?.split('data: ')[1] ?? '{}') as { id: string }).id;

test('one question, one response; afterwards there is nothing to withdraw', async () => {
  const questions = createQuestions({ screen: (block) => block });
  const call = made(toolCall());
  const of = session(null);
  const { heard, giveUp } = questions.ask(call.call, of, 'roots/list', '{}', 10_000);
  const id = idOf(call.events[0]);
  expect(questions.answered(session(null), response(id))).toBe(false);
  expect(questions.answered(of, response(id))).toBe(true);
  expect(questions.answered(of, response(id))).toBe(false);
  expect(await heard).toEqual({ result: '{"a" : 1}' });
  giveUp();
  questions.ended(of);
  expect(call.events).toHaveLength(1);
});
test('withdrawn, late, gone: the client is told; a withheld question was never asked', async () => {
  const questions = createQuestions({ screen: (block) => block });
  const call = made(toolCall());
  const of = session(null);
  const withdrawn = questions.ask(call.call, of, 'roots/list', '{}', 10_000);
  const late = questions.ask(call.call, of, 'roots/list', '{}', -5);
  const gone = questions.ask(call.call, of, 'roots/list', '{}', 10_000);
  withdrawn.giveUp();
  expect([await withdrawn.heard, await late.heard]).toEqual(['given_up', 'late']);
  questions.ended(of);
  expect(await gone.heard).toBe('gone');
  expect(call.events.filter((block) => block.includes('notifications/cancelled'))).toHaveLength(3);
  expect(questions.answered(of, response(idOf(call.events[0])))).toBe(false);
  const withheld = made(toolCall());
  expect(await createQuestions({ screen: () => null }).ask(withheld.call, of, 'roots/list', '{}', 10_000).heard).toBe('withheld');
  expect(withheld.events).toEqual([]);
});
test('a place is given back once, however often it is said', () => {
  const places = createPlaces({ max: 3, max_per_caller: 2 });
  const first = places.take('a');
  const second = places.take('a');
  expect([first, second].includes(null)).toBe(false);
  expect(places.take('a')).toBeNull();
  first?.();
  first?.();
  expect(places.take('a')).not.toBeNull();
  expect(places.take('a')).toBeNull();
  expect(places.take('b')).not.toBeNull();
  expect(places.take('c')).toBeNull();
});
