import { expect, test } from 'vitest';
import { UpstreamFault } from './upstream.ts';
import { createWatches, type Watches } from './watches.ts';

function table(refuse: ReadonlySet<string> = new Set()): { readonly watches: Watches; readonly acts: string[] } {
  const acts: string[] = [];
  const watches = createWatches({
    subscribe: async (uri) => {
      acts.push(`+${uri}`);
      if (refuse.has(uri)) throw new UpstreamFault({ code: 'dispatch.upstream', effect: 'none' });
    },
    unsubscribe: async (uri) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      acts.push(`-${uri}`);
    },
  });
  return { watches, acts };
}

test('one subscription for all who watch the same URI; the last to leave ends it, once', async () => {
  const { watches, acts } = table();
  const heard: string[] = [];
  const same = (text: string): void => void heard.push(text);
  const [stopA, stopB] = await Promise.all([watches.watch('a', same), watches.watch('a', same)]);
  watches.updated('a', '{"uri":"a"}');
  expect(heard).toHaveLength(2);
  stopA();
  stopA();
  expect(acts).toEqual(['+a']);
  stopB();
  watches.updated('a', '{}');
  expect(heard).toHaveLength(2);
  await watches.watch('a', same); // must not overtake the end
  expect(acts).toEqual(['+a', '-a', '+a']);
});
test('a part of what is watched counts, a neighbour with the same beginning does not', async () => {
  const { watches } = table();
  const heard: string[] = [];
  await watches.watch('file:///a', (text) => heard.push(text));
  for (const uri of ['file:///a/b', 'file:///ab', 'file:///', 'file:///a?x']) watches.updated(uri, uri);
  expect(heard).toEqual(['file:///a/b', 'file:///a?x']);
});
test('a refusal reaches all who wait for it, and the next one asks afresh', async () => {
  const refuse = new Set(['a']);
  const { watches, acts } = table(refuse);
  const both = await Promise.allSettled([watches.watch('a', () => undefined), watches.watch('a', () => undefined)]);
  expect(both.map((one) => one.status)).toEqual(['rejected', 'rejected']);
  expect(watches.uris()).toEqual([]);
  refuse.clear();
  await watches.watch('a', () => undefined);
  expect(acts).toEqual(['+a', '+a']);
});
test('after a reconnection all are subscribed again, and told that something may have changed', async () => {
  const refuse = new Set<string>();
  const { watches, acts } = table(refuse);
  const heard: string[] = [];
  await watches.watch('a', () => { throw new Error('a broken reader'); });
  await watches.watch('a', (text) => heard.push(text));
  await watches.watch('b', (text) => heard.push(text));
  refuse.add('b');
  await watches.again();
  expect(acts).toEqual(['+a', '+b', '+a', '+b']);
  expect(heard).toEqual(['{"uri":"a"}']);
  refuse.clear();
  await watches.again();
  expect(heard).toEqual(['{"uri":"a"}', '{"uri":"a"}', '{"uri":"b"}']);
});
test('no more than a thousand URIs, none of endless length', async () => {
  const { watches } = table();
  for (let i = 0; i < 1_000; i++) await watches.watch(`r:${i}`, () => undefined);
  await expect(watches.watch('one:more', () => undefined)).rejects.toThrow(UpstreamFault);
  await expect(watches.watch('r:5', () => undefined)).resolves.toBeTypeOf('function');
  await expect(table().watches.watch('x'.repeat(9_000), () => undefined)).rejects.toThrow(UpstreamFault);
});
