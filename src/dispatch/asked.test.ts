import { expect, test } from 'vitest';
import { Asked } from './asked.ts';
import type { Question, Reply } from './upstream.ts';

function asked(onQuestion: ((question: Question) => Promise<Reply>) | null): { readonly ask: (text: string) => void; readonly said: string[] } {
  const said: string[] = [];
  const one = new Asked({ capabilities: '{"elicitation":{}}', onQuestion }, { pause: () => true, resume: () => undefined, isOver: () => false, respond: (text) => void said.push(text) });
  return { ask: (text) => one.take(JSON.parse(text), text), said };
}
const question = (id: string | number): string => JSON.stringify({ jsonrpc: '2.0', id, method: 'elicitation/create', params: {} });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one id, one answer: a second question under it is not asked', async () => {
  let heard = 0;
  const { ask, said } = asked(async () => ({ result: `{"n":${++heard}}` }));
  ask(question('q'));
  ask(question('q'));
  await turn();
  expect(said).toEqual(['{"jsonrpc":"2.0","id":"q","result":{"n":1}}']);
});
test('a number and a string that look alike are two ids', async () => {
  const { ask, said } = asked(async () => ({ result: '{}' }));
  ask(question(1));
  ask(question('1'));
  await turn();
  expect(said).toHaveLength(2);
});
test('a request that asks without end is declined in the end', async () => {
  let heard = 0;
  const { ask, said } = asked(async () => { heard++; return { result: '{}' }; });
  for (let i = 0; i < 300; i++) {
    ask(question(i));
    await turn();
  }
  expect(heard).toBe(256);
  expect(said).toHaveLength(300);
  expect(said.at(-1)).toContain('-32601');
});
test('a reply that fails is a refusal, not silence', async () => {
  const { ask, said } = asked(() => Promise.reject(new Error('a bug')));
  ask(question(1));
  await turn();
  expect(said).toEqual(['{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}']);
});
