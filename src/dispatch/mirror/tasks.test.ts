import { describe, expect, test } from 'vitest';
import { made, principal } from '../../../test/kit/dispatch-rig.ts';
import { createTasks, saysTasks } from './tasks.ts';

const HOUR = 3_600_000;
const by = (id: string, server = 's') => made('{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{}}', { principal: principal(id), server }).call;
const clock = (): { now: () => number; at: number } => {
  const hands = { at: 0, now: () => hands.at };
  return hands;
};

describe('whose tasks are whose', () => {
  test('by caller and server', () => {
    const tasks = createTasks(() => 0);
    tasks.own(by('alice'), 't1', null);
    expect(tasks.isOwn(by('alice'), 't1')).toBe(true);
    expect(tasks.isOwn(by('mallory'), 't1')).toBe(false);
    expect(tasks.isOwn(by('alice', 'other'), 't1')).toBe(false);
    expect([tasks.isOwn(by('alice'), 't2'), tasks.isOwn(by('alice'), undefined), tasks.isOwn(by('alice'), ['t1'])]).toEqual([false, false, false]);
    tasks.own(by('mallory'), 't1', null); // a server that counts from one for each of its sessions
    expect([tasks.isOwn(by('alice'), 't1'), tasks.isOwn(by('mallory'), 't1'), tasks.size()]).toEqual([true, true, 2]);
  });
  test.each([[HOUR, HOUR], [0, 60_000], [-1, 24 * HOUR], [1e300, 24 * HOUR], [null, 24 * HOUR], [undefined, 24 * HOUR], ['1', 24 * HOUR]] as const)('a life of %j ends after %d ms', (ttl, ms) => {
    const hands = clock();
    const tasks = createTasks(hands.now);
    tasks.own(by('alice'), 't', ttl);
    hands.at = ms - 1;
    expect(tasks.isOwn(by('alice'), 't')).toBe(true);
    hands.at = ms;
    expect(tasks.isOwn(by('alice'), 't')).toBe(false);
    expect(tasks.size()).toBe(0);
  });
  test('what is told again lives on, and counts once', () => {
    const hands = clock();
    const tasks = createTasks(hands.now);
    tasks.own(by('alice'), 't', HOUR);
    hands.at = HOUR - 1;
    tasks.own(by('alice'), 't', HOUR);
    hands.at = 2 * HOUR - 2;
    expect([tasks.isOwn(by('alice'), 't'), tasks.size()]).toEqual([true, 1]);
  });
  test('one caller has a thousand at most, the oldest go; others keep theirs', () => {
    const tasks = createTasks(() => 0, { perCaller: 3, all: 100 });
    tasks.own(by('bob'), 'b', null);
    for (const id of ['1', '2', '3']) tasks.own(by('alice'), id, null);
    tasks.own(by('alice'), '1', null);
    tasks.own(by('alice'), '4', null);
    expect(['1', '2', '3', '4'].map((id) => tasks.isOwn(by('alice'), id))).toEqual([true, false, true, true]);
    expect([tasks.isOwn(by('bob'), 'b'), tasks.size()]).toEqual([true, 4]);
  });
  test('which servers have tasks', () => {
    const tasks = createTasks(() => 0);
    tasks.own(by('alice'), 't', null);
    expect([tasks.hasMade('s'), tasks.hasMade('other')]).toEqual([true, false]);
    const says = [undefined, {}, { extensions: {} }, { tasks: {} }, { extensions: { 'io.modelcontextprotocol/tasks': {} } }].map(saysTasks);
    expect(says).toEqual([false, false, false, true, true]);
  });
  test('when the table is full, who made a task longest ago loses one', () => {
    const tasks = createTasks(() => 0, { perCaller: 3, all: 4 });
    for (const id of ['1', '2']) tasks.own(by('alice'), id, null);
    for (const id of ['1', '2']) tasks.own(by('bob'), id, null);
    tasks.own(by('carol'), '1', null);
    expect(['1', '2'].map((id) => tasks.isOwn(by('alice'), id))).toEqual([false, true]);
    expect(tasks.size()).toBe(4);
    for (let i = 0; i < 50; i++) tasks.own(by(`p${i}`), '1', null);
    expect(tasks.size()).toBe(4);
  });
  test('who has just made one is not who made one longest ago', () => {
    const tasks = createTasks(() => 0, { perCaller: 3, all: 4 });
    for (const [who, id] of [['alice', '1'], ['bob', '1'], ['alice', '2'], ['carol', '1'], ['dora', '1']] as const) tasks.own(by(who), id, null);
    expect([tasks.isOwn(by('bob'), '1'), tasks.isOwn(by('alice'), '1'), tasks.isOwn(by('alice'), '2')]).toEqual([false, true, true]);
  });
});
