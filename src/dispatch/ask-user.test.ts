import { describe, expect, it } from 'vitest';
import type { Limited } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import { askUser } from './ask-user.ts';
import { createInFlight } from './in-flight.ts';
import { createPlaces } from './places.ts';
import { createQuestions } from './questions.ts';

const sessionOf = (): Session => ({ id: 's', streams: new Set() }) as unknown as Session;
interface Scene { readonly call: Limited; readonly session: Session; readonly sent: string[]; readonly abort: () => void }
function scene(reads = true): Scene {
  const sent: string[] = [];
  const session = sessionOf();
  const stop = new AbortController();
  const call = { era: 'legacy', session, principal: { id: 'p' }, message: { rpcId: 7 }, signal: stop.signal, side: { event: (block: Buffer) => (sent.push(block.toString()), reads) } } as unknown as Limited;
  return { call, session, sent, abort: () => stop.abort() };
}
// A question in the gateway's own words is not screened: a screen that withholds everything changes nothing.
const roomOf = (questionMs = 60_000, max = 2) => ({ questions: createQuestions({ screen: () => null }), places: createPlaces({ max, max_per_caller: max }), inFlight: createInFlight(), questionMs });
const idOf = (sent: string): string => /"id":"([^"]+)"/.exec(sent)?.[1] ?? '';
const response = (rpcId: string, result: string): Parameters<ReturnType<typeof createQuestions>['answered']>[1] => ({ kind: 'response', rpcId, text: `{"id":"${rpcId}","result":${result}}` }) as never;

describe('a question of the gateway’s own', () => {
  it('is answered once, by the session that was asked', async () => {
    const room = roomOf();
    const { call, session, sent } = scene();
    const asked = askUser(call, 'elicitation/create', '{"message":"?"}', room);
    expect(sent[0]).toContain('"method":"elicitation/create","params":{"message":"?"}');
    const id = idOf(sent[0] ?? '');
    expect([room.questions.answered(sessionOf(), response(id, '{}')), room.questions.answered(session, response('sallyport-guess', '{}'))]).toEqual([false, false]);
    expect(room.questions.answered(session, response(id, '{"action":"accept"}'))).toBe(true);
    expect(await asked).toEqual({ result: '{"action":"accept"}' });
    expect(room.questions.answered(session, response(id, '{}'))).toBe(false);
  });
  it('takes a place while it is open, and gives it back', async () => {
    const room = roomOf(60_000, 1);
    const first = scene();
    const asked = askUser(first.call, 'elicitation/create', '{}', room);
    expect(await askUser(scene().call, 'elicitation/create', '{}', room)).toBe('full');
    room.questions.answered(first.session, response(idOf(first.sent[0] ?? ''), '{}'));
    await asked;
    expect(await askUser(scene(false).call, 'elicitation/create', '{}', room)).toBe('gone');
    expect(await askUser(scene(false).call, 'elicitation/create', '{}', room)).toBe('gone');
  });
  it('ends with its time, the call, the session, or the client’s cancellation', async () => {
    expect(await askUser(scene().call, 'elicitation/create', '{}', roomOf(1))).toBe('late');
    const [aborted, ended, cancelled, room] = [scene(), scene(), scene(), roomOf(60_000, 9)];
    const all = [aborted, ended, cancelled].map(({ call }) => askUser(call, 'elicitation/create', '{}', room));
    aborted.abort();
    room.questions.ended(ended.session);
    room.inFlight.cancel(cancelled.session, 7);
    expect(await Promise.all(all)).toEqual(['given_up', 'gone', 'given_up']);
    expect(cancelled.sent.at(-1)).toContain('notifications/cancelled');
  });
  it('is put to nobody in the modern era, without a session or on a call that is over', async () => {
    const over = scene();
    over.abort();
    for (const call of [{ ...scene().call, era: 'modern' }, { ...scene().call, session: null }, over.call] as Limited[]) expect(await askUser(call, 'elicitation/create', '{}', roomOf())).toBe('gone');
    expect(over.sent).toEqual([]);
  });
});
