import { afterEach, describe, expect, it } from 'vitest';
import { approval, callOf, type CallParts, HOUR, openRig, person, removeFolder, type Rig } from '../../test/kit/approve-rig.ts';
import type { ApprovalEvent, ApprovalRequest } from './index.ts';

const opened: Rig[] = [];
const rigOf = async (...of: Parameters<typeof openRig>): Promise<Rig> => {
  const rig = await openRig(...of);
  opened.push(rig);
  return rig;
};
afterEach(async () => {
  for (const rig of opened.splice(0)) {
    await rig.close();
    removeFolder(rig);
  }
});
const yes = { verdict: 'approve', rationale: 'looked at it', narrowing: null, channel: 'cli' } as const;
const no = { ...yes, verdict: 'deny' } as const;
/** The one request that waits. */
async function waiting(rig: Rig): Promise<ApprovalRequest> {
  const [request] = await rig.approve.approvals.list({ state: 'pending' });
  if (request === undefined) throw new Error('nothing waits');
  return request;
}
async function decide(rig: Rig, by: string, verdict: Parameters<Rig['approve']['approvals']['decide']>[2] = yes): Promise<string> {
  const [request] = await rig.approve.approvals.list({ limit: 1 });
  const decided = await rig.approve.approvals.decide(request?.id ?? '', rig.approvers.get(`admin:${by}`) ?? person(by), verdict);
  return decided.ok ? decided.request.state : decided.fault;
}

describe('a call without duties', () => {
  it('passes at once, without a promise', async () => {
    const rig = await rigOf();
    expect(rig.approve.stage.run(callOf({ duties: [] }))).toEqual({ go: { approvalId: null } });
    expect(rig.approve.stage.run(callOf({ duties: [{ id: 'w', by: 'inspect', kind: 'wrap', why: '' }] }))).toEqual({ go: { approvalId: null } });
  });
});

describe('one call, one approval, one execution', () => {
  it('waits, is approved, runs once, and asks anew', async () => {
    const rig = await rigOf();
    const verdict = await rig.approve.stage.run(callOf());
    const request = await waiting(rig);
    expect(verdict).toMatchObject({ stop: { code: 'approve.pending', note: request.id } });
    expect(await rig.judge(callOf())).toBe('approve.pending');
    expect(await rig.approve.approvals.list()).toHaveLength(1);
    expect(await decide(rig, 'ann')).toBe('approved');
    expect(await decide(rig, 'ben')).toBe('closed');
    expect(await rig.judge(callOf())).toBe('go approved a');
    expect(await rig.judge(callOf())).toBe('approve.pending');
    expect((await waiting(rig)).id).not.toBe(request.id);
    expect((await waiting(rig)).similar).toEqual({ approved: 1, denied: 0, lastAt: rig.time.now });
    expect(rig.notes.map((note) => note.event)).toEqual(['approval.requested', 'approval.decided', 'approval.refused', 'approval.used', 'approval.requested']);
    expect(rig.notes[1]).toMatchObject({ id: request.id, details: { binding: request.binding, by: 'ann', identity: 'admin:ann', verdict: 'approve', rationale: 'looked at it' } });
  });

  const CHANGED: readonly (readonly [string, CallParts])[] = [
    ['a changed byte', { args: '{"n":2}' }],
    ['a digit beyond a double', { args: '{"n":1,"id":9007199254740993}' }],
    ['one more argument', { args: '{"n":1,"x":null}' }],
    ['another caller', { principal: { id: 'key:k2' } }],
    ['another environment', { principal: { environment: 'test' } }],
    ['another tool', { tool: { name: 'pay_all' } }],
    ['a tool that was redefined', { tool: { digest: 'd2' } }],
    ['another policy', { policy: 'v2' }],
    ['another duty', { duties: [approval({ quorum: 2 })] }],
    ['further params', { params: { task: { ttl: 1 } } }],
    ['answers to the server', { params: { inputResponses: { a: 1 } } }],
  ];
  it.each(CHANGED)('%s is another call', async (_, changed) => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    expect(await rig.judge(callOf(changed))).toBe('approve.pending');
    expect(await rig.judge(callOf())).toBe('go approved a');
  });

  it('a server that was moved to another environment is another target', async () => {
    let environment = 'test';
    const rig = await rigOf({}, { placeOf: () => ({ environment, region: null, tenant: null }) });
    await rig.judge(callOf());
    expect((await waiting(rig)).environment).toBe('test');
    await decide(rig, 'ann');
    environment = 'prod';
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it('tells digits apart that a double cannot hold', async () => {
    const rig = await rigOf();
    await rig.judge(callOf({ args: '{"n":9007199254740993}' }));
    await decide(rig, 'ann');
    expect(await rig.judge(callOf({ args: '{"n":9007199254740992}' }))).toBe('approve.pending');
    expect(await rig.judge(callOf({ args: '{"n":9007199254740993}' }))).toBe('go approved a');
  });

  it('also outside of the arguments', async () => {
    const rig = await rigOf();
    const withTtl = (literal: string): ReturnType<typeof callOf> => {
      const call = callOf({ params: { task: { ttl: Number(literal) } } });
      return { ...call, message: { ...call.message, inexact: [{ pointer: '/task/ttl', literal }] } };
    };
    await rig.judge(withTtl('9007199254740993'));
    await decide(rig, 'ann');
    expect(await rig.judge(withTtl('9007199254740992'))).toBe('approve.pending');
    expect(await rig.judge(withTtl('9007199254740993'))).toBe('go approved a');
  });

  it('takes another spelling of the same arguments for the same, and no notice of _meta', async () => {
    const rig = await rigOf();
    await rig.judge(callOf({ args: '{"n":1,"to":"é"}' }));
    await decide(rig, 'ann');
    expect(await rig.judge(callOf({ args: '{ "to":"\\u00e9", "n":1.0 }', params: { _meta: { progressToken: 3 } } }))).toBe('go approved a');
  });

  it('is taken only as approved, whoever asks', async () => {
    const rig = await rigOf();
    const { approvals } = rig.approve;
    expect(await approvals.take('0'.repeat(64))).toEqual({ ok: false, fault: 'absent' });
    const faults: string[] = [];
    const take = async (args: string): Promise<void> => {
      const request = (await approvals.list()).find((one) => one.argumentsText === args);
      const taken = await approvals.take(request?.binding ?? '');
      faults.push(taken.ok ? 'ok' : taken.fault);
    };
    for (const n of [1, 2, 3]) await rig.judge(callOf({ args: `{"n":${n}}` }));
    await take('{"n":1}');
    const idOf = async (args: string): Promise<string> => (await approvals.list()).find((one) => one.argumentsText === args)?.id ?? '';
    await approvals.decide(await idOf('{"n":1}'), person('ann'), yes);
    await approvals.decide(await idOf('{"n":2}'), person('ann'), yes);
    await approvals.decide(await idOf('{"n":2}'), person('ben'), no);
    await approvals.decide(await idOf('{"n":3}'), person('ann'), yes);
    for (const n of [1, 1, 2]) await take(`{"n":${n}}`);
    rig.pass(HOUR);
    await take('{"n":3}');
    expect(faults).toEqual(['pending', 'ok', 'used', 'denied', 'expired']);
  });

  it('survives a restart, used and unused', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    await rig.close();
    opened.length = 0;
    const second = await rigOf({}, { folder: rig.folder, time: rig.time });
    expect(await second.judge(callOf())).toBe('go approved a');
    await second.close();
    opened.length = 0;
    const third = await rigOf({}, { folder: rig.folder, time: rig.time });
    expect(await third.judge(callOf())).toBe('approve.pending');
  });

  it('is used up although the record of its use could not be written, and nothing runs', async () => {
    const rig = await rigOf({}, { note: (event) => (event === 'approval.used' ? Promise.reject(new Error('disk full')) : Promise.resolve()) });
    await rig.judge(callOf());
    await decide(rig, 'ann');
    expect(await rig.judge(callOf())).toBe('approve.unavailable');
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it('waits for nobody when the request cannot be recorded, and a yes that cannot be recorded is none', async () => {
    let isFull = true;
    const rig = await rigOf({}, { note: () => (isFull ? Promise.reject(new Error('disk full')) : Promise.resolve()) });
    expect(await rig.judge(callOf())).toBe('approve.unavailable');
    expect(await rig.approve.approvals.list()).toEqual([]);
    isFull = false;
    await rig.judge(callOf());
    isFull = true;
    await expect(decide(rig, 'ann')).rejects.toThrow(/disk full/);
    isFull = false;
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it.each([['another call', (text: string) => text], ['another shape', (text: string, own: string) => own.replace('"shape":1', '"shape":2')]])('a record of %s in the store is refused', async (_, forged) => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    const [yesRow] = await rig.store.list('approval');
    await rig.judge(callOf({ args: '{"n":2}' }));
    const row = (await rig.store.list('approval')).find(({ id }) => id !== yesRow?.id);
    if (row === undefined || yesRow === undefined) throw new Error('no rows');
    await rig.store.put('approval', row.id, Buffer.from(forged(Buffer.from(yesRow.bytes).toString(), Buffer.from(row.bytes).toString())));
    expect(await rig.judge(callOf({ args: '{"n":2}' }))).toBe('approve.unavailable');
    expect(await rig.judge(callOf())).toBe('go approved a');
  });

  it('is refused when the store is gone', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    await rig.store.close();
    expect(await rig.judge(callOf())).toBe('approve.unavailable');
  });
});

describe('who decides', () => {
  const SELF: readonly (readonly [string, CallParts['principal'], Parameters<typeof person>[2] & object, object])[] = [
    ['the same user', { user: 'Ann' }, {}, {}],
    ['another spelling', { user: ' ＡＮＮ ' }, {}, {}],
    ['the caller, when no user is known', { caller: 'ann' }, {}, {}],
    ['the token’s subject', { kind: 'jwt', id: 'jwt:https://idp.example#ann', caller: 'x' }, {}, {}],
    ['a configured e-mail address', { user: 'ann@example.com' }, {}, { identities: { ann: ['ann@example.com'] } }],
    ['a configured key', { id: 'key:hers' }, {}, { identities: { Ann: ['KEY:hers'] } }],
    ['a configured token', { kind: 'jwt', id: 'jwt:https://idp.example#123', caller: 'x' }, {}, { identities: { ann: ['jwt:https://idp.example#123'] } }],
    ['two names of one person', { user: 'annie' }, {}, { identities: { ann: ['a@example.com'], annie: ['A@example.com'] } }],
    ['names that lead on to each other', { user: 'd' }, {}, { identities: { x: ['c', 'ann'], y: ['c', 'd'] } }],
    ['a name the admin door knows', { user: 'a.smith' }, { identities: ['A.Smith'] }, {}],
  ];
  it.each(SELF)('never the requester: %s', async (_, principal = {}, approver, config) => {
    const rig = await rigOf(config);
    rig.approvers.set('admin:ann', person('ann', ['ops'], approver));
    await rig.judge(callOf({ principal }));
    expect(await decide(rig, 'ann')).toBe('self');
    expect(await decide(rig, 'ann', no)).toBe('self');
    expect(await rig.approve.approvals.list({ decidableBy: rig.approvers.get('admin:ann') ?? person('ann') })).toEqual([]);
    expect(rig.notes.at(-1)).toMatchObject({ event: 'approval.refused', details: { fault: 'self' } });
    expect(await rig.judge(callOf({ principal }))).toBe('approve.pending');
    expect(await decide(rig, 'ben')).toBe('approved');
  });

  it('nobody outside of the groups, and no credential without a person', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    expect(await decide(rig, 'eve')).toBe('not_approver');
    expect(await decide(rig, ' ')).toBe('not_approver');
    expect(await rig.approve.approvals.decide('no-such-id', person('ann'), yes)).toMatchObject({ ok: false, fault: 'unknown' });
    expect(await rig.approve.approvals.list({ decidableBy: person('eve', ['leads']) })).toEqual([]);
    expect(await rig.approve.approvals.list({ decidableBy: person(' ') })).toEqual([]);
    expect(await rig.approve.approvals.list({ decidableBy: person('ann') })).toHaveLength(1);
  });

  it('only with a rationale that can be read', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    for (const rationale of ['', '   ', '\u200b\u202e', '...', 'x'.repeat(1_001), '\u001b[2J']) expect(await decide(rig, 'ann', { ...yes, rationale }), JSON.stringify(rationale)).toBe('rationale');
    expect(await decide(rig, 'ann', { ...yes, rationale: 'ok\u001b[31m\nred' })).toBe('approved');
    expect(rig.notes.at(-1)).toMatchObject({ details: { rationale: 'ok red' } });
  });

  it('so many different people; one person with two credentials is one', async () => {
    const rig = await rigOf({ identities: { ann: ['anne'] } });
    const duties = [approval({ quorum: 2 })];
    rig.approvers.set('admin:2', person('ANN', ['ops'], { id: 'admin:2' })).set('admin:anne', person('anne'));
    await rig.judge(callOf({ duties }));
    expect(await decide(rig, 'ann')).toBe('pending');
    expect(await decide(rig, 'ann')).toBe('already');
    expect(await decide(rig, '2')).toBe('already');
    expect(await decide(rig, 'anne')).toBe('already');
    expect(await rig.approve.approvals.list({ decidableBy: person('anne') })).toEqual([]);
    expect(await rig.approve.approvals.list({ decidableBy: person('ben') })).toHaveLength(1);
    expect(await rig.judge(callOf({ duties }))).toBe('approve.pending');
    expect(await decide(rig, 'ben')).toBe('approved');
    expect(await rig.judge(callOf({ duties }))).toBe('go approved a');
  });

  it('enough for each of several duties', async () => {
    const rig = await rigOf();
    const duties = [approval(), { ...approval({ groups: ['leads'] }), id: 'b' }];
    await rig.judge(callOf({ duties }));
    expect(await decide(rig, 'ann')).toBe('pending');
    expect(await decide(rig, 'ben')).toBe('pending');
    expect(await decide(rig, 'eve')).toBe('approved');
    expect(await rig.judge(callOf({ duties }))).toBe('go approved a,b');
  });

  it('one no ends it, also after a yes, and stands for a while', async () => {
    const rig = await rigOf({ again_ms: 1_000 });
    await rig.judge(callOf());
    await decide(rig, 'ann');
    expect(await decide(rig, 'ben', no)).toBe('denied');
    expect(await decide(rig, 'cid')).toBe('closed');
    expect(await rig.judge(callOf())).toBe('approve.denied');
    rig.pass(1_000);
    expect(await rig.judge(callOf())).toBe('approve.pending');
    expect((await waiting(rig)).similar).toMatchObject({ approved: 1, denied: 1 });
  });

  it('a yes of a credential that was revoked since, or left the group, or is the requester’s after all, does not count', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    rig.approvers.delete('admin:ann');
    expect(await rig.judge(callOf())).toBe('approve.pending');
    expect(await decide(rig, 'ben')).toBe('approved');
    rig.approvers.set('admin:ben', person('ben', ['sales']));
    expect(await rig.judge(callOf())).toBe('approve.pending');
    expect(await decide(rig, 'cid')).toBe('approved');
    rig.approvers.set('admin:cid', person('cid', ['ops'], { identities: ['bot'] }));
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it('a credential that was given to somebody else does not count', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    rig.approvers.set('admin:ann', person('zoe', ['ops'], { id: 'admin:ann' }));
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it('others after a delay, judged by the clock alone', async () => {
    const rig = await rigOf();
    const duties = [approval({ escalate: { groups: ['leads'], afterMs: 1_000 } })];
    const heard: ApprovalEvent['kind'][] = [];
    rig.approve.approvals.onEvent((event) => void heard.push(event.kind));
    await rig.judge(callOf({ duties }));
    rig.pass(999);
    expect(await decide(rig, 'eve')).toBe('not_approver');
    rig.pass(1);
    expect(await decide(rig, 'eve')).toBe('approved');
    expect(heard).toEqual(['requested', 'escalated', 'decided']);
    expect((await rig.approve.approvals.list())[0]?.escalatedAt).toBe(rig.time.now);
    expect(await rig.judge(callOf({ duties }))).toBe('go approved a');
  });

  it('nobody where nobody is named', async () => {
    const rig = await rigOf({ groups: [] });
    expect(await rig.judge(callOf())).toBe('approve.required');
    expect(await rig.judge(callOf({ duties: [approval(), { ...approval({ groups: ['ops'] }), id: 'b' }] }))).toBe('approve.required');
    expect(await rig.judge(callOf({ duties: [approval({ groups: ['ops'] })] }))).toBe('approve.pending');
  });
});

describe('time', () => {
  it('silence is a no; an approval ends too', async () => {
    const rig = await rigOf({ again_ms: 1_000 });
    await rig.judge(callOf());
    rig.pass(HOUR);
    expect(await decide(rig, 'ann')).toBe('closed');
    expect(await rig.judge(callOf())).toBe('approve.expired');
    rig.pass(1_000);
    expect(await rig.judge(callOf())).toBe('approve.pending');
    await decide(rig, 'ann');
    rig.pass(HOUR);
    expect(await rig.judge(callOf())).toBe('approve.expired');
    expect(rig.notes.filter((note) => note.event === 'approval.expired')).toHaveLength(2);
  });

  it('the shortest of the duties’ times holds', async () => {
    const rig = await rigOf();
    await rig.judge(callOf({ duties: [approval({ expiresMs: 5_000 }), { ...approval(), id: 'b' }] }));
    expect((await waiting(rig)).expiresAt).toBe(rig.time.now + 5_000);
  });

  it('a clock that is turned back neither revives nor prolongs', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    rig.time.now -= 10 * HOUR;
    rig.time.steady += HOUR;
    expect(await rig.judge(callOf())).toBe('approve.expired');
  });

  it('nor after a restart', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    await rig.close();
    opened.length = 0;
    rig.time.now -= 10 * HOUR;
    const second = await rigOf({}, { folder: rig.folder, time: rig.time });
    expect(await second.judge(callOf())).toBe('approve.expired');
    expect(second.notes.map((note) => note.event)).toEqual(['approval.expired']);
  });

  it('what has expired is so for good', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await decide(rig, 'ann');
    rig.pass(HOUR);
    await rig.approve.approvals.list();
    await rig.close();
    opened.length = 0;
    rig.time.now -= HOUR - 1;
    const second = await rigOf({}, { folder: rig.folder, time: rig.time });
    expect(await second.judge(callOf())).toBe('approve.expired');
  });

  it('tells of escalation and expiry while it runs', async () => {
    const rig = await rigOf();
    const heard: string[] = [];
    const both = new Promise<void>((done) => {
      rig.approve.approvals.onEvent((event) => {
        heard.push(event.kind);
        if (event.kind === 'escalated') rig.pass(HOUR);
        if (event.kind === 'expired') done();
      });
    });
    await rig.judge(callOf({ duties: [approval({ escalate: { groups: ['leads'], afterMs: 1_000 } })] }));
    rig.pass(1_000);
    await both;
    expect(heard).toEqual(['requested', 'escalated', 'expired']);
  });
});

describe('narrowing', () => {
  it('lets pass what is within, and says what is allowed to the rest', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    expect(await decide(rig, 'ann', { ...yes, narrowing: { maximum: 1 } })).toBe('narrowing');
    expect(await decide(rig, 'ann', { ...no, narrowing: { max: 1 } })).toBe('narrowing');
    expect(await decide(rig, 'ann', { ...yes, narrowing: { max: 1, x: 'y'.repeat(5_000) } })).toBe('narrowing');
    expect(await decide(rig, 'ann', { ...yes, narrowing: { max: 1 } })).toBe('approved');
    expect(await rig.judge(callOf())).toBe('go approved a');
    await rig.judge(callOf({ args: '{"n":5}' }));
    const request = await waiting(rig);
    await rig.approve.approvals.decide(request.id, person('ann'), { ...yes, rationale: 'too much', narrowing: { max: 2 } });
    expect(await rig.approve.stage.run(callOf({ args: '{"n":5}' }))).toEqual({ stop: { code: 'approve.narrowed', tell: 'ann allows only: n up to 2 (too much)' } });
    // What is allowed is another call: it was not the one somebody looked at.
    expect(await rig.judge(callOf({ args: '{"n":2}' }))).toBe('approve.pending');
  });

  it('of every approver holds', async () => {
    const rig = await rigOf();
    const duties = [approval({ quorum: 2 })];
    await rig.judge(callOf({ args: '{"n":5}', duties }));
    await decide(rig, 'ann');
    await decide(rig, 'ben', { ...yes, narrowing: { max: 4 } });
    expect(await rig.judge(callOf({ args: '{"n":5}', duties }))).toBe('approve.narrowed');
  });
});

describe('floods', () => {
  it('bound what one caller has waiting, with all his keys, and give places back', async () => {
    const rig = await rigOf({ max_pending_per_caller: 2, again_ms: 0 });
    const nth = (n: number, principal = {}): ReturnType<typeof callOf> => callOf({ args: `{"n":${n}}`, principal });
    expect(await rig.judge(nth(1))).toBe('approve.pending');
    expect(await rig.judge(nth(2, { id: 'key:k2' }))).toBe('approve.pending');
    expect(await rig.judge(nth(3))).toBe('approve.too_many');
    expect(await rig.judge(nth(3, { id: 'key:o', caller: 'other' }))).toBe('approve.pending');
    const [first] = await rig.approve.approvals.list({ principalId: 'key:k1' });
    await rig.approve.approvals.decide(first?.id ?? '', person('ann'), no);
    expect(await rig.judge(nth(4))).toBe('approve.pending');
    expect(await rig.judge(nth(5))).toBe('approve.too_many');
    rig.pass(HOUR);
    expect(await rig.judge(nth(6))).toBe('approve.pending');
  });

  it('come to the channels in one message after the tenth', async () => {
    const rig = await rigOf({ max_pending_per_caller: 100, digest_window_ms: 5_000 });
    const heard: ApprovalEvent[] = [];
    rig.approve.approvals.onEvent(() => {
      throw new Error('a broken listener');
    });
    const stop = rig.approve.approvals.onEvent((event) => void heard.push(event));
    for (let n = 0; n < 15; n++) await rig.judge(callOf({ args: `{"n":${n}}` }));
    expect(heard.map((event) => event.kind)).toEqual([...Array.from({ length: 10 }, () => 'requested'), 'digest']);
    rig.pass(5_000);
    await rig.judge(callOf({ args: '{"n":99}' }));
    expect(heard.slice(11)).toMatchObject([{ kind: 'digest', count: 15 }, { kind: 'requested' }]);
    expect(rig.notes.filter((note) => note.event === 'approval.requested')).toHaveLength(16);
    stop();
    await rig.judge(callOf({ args: '{"n":100}' }));
    expect(heard).toHaveLength(13);
  });

  it('a burst of one call is one request', async () => {
    const rig = await rigOf({ max_pending_per_caller: 1 });
    const all = await Promise.all(Array.from({ length: 100 }, () => rig.judge(callOf())));
    expect(new Set(all)).toEqual(new Set(['approve.pending']));
    expect(rig.notes).toHaveLength(1);
  });

  it('a place is given back once, not again when somebody else has it', async () => {
    const rig = await rigOf({ max_pending_per_caller: 1 });
    await rig.judge(callOf({ args: '{"n":1}' }));
    const id = (await waiting(rig)).id;
    await rig.approve.approvals.decide(id, person('ann'), yes);
    await rig.judge(callOf({ args: '{"n":2}' }));
    await rig.approve.approvals.decide(id, person('ben'), no);
    expect(await rig.judge(callOf({ args: '{"n":3}' }))).toBe('approve.too_many');
  });

  it('are bounded among all gateways on one store, and equal requests are one there, too', async () => {
    const one = await rigOf({ max_pending_per_caller: 2 });
    const two = await openRig({ max_pending_per_caller: 2 }, { folder: one.folder, time: one.time });
    const ids = await Promise.all([one, two].map(async (rig) => rig.approve.stage.run(callOf())));
    expect(ids[0]).toEqual(ids[1]);
    expect(one.notes.concat(two.notes).filter((note) => note.event === 'approval.refused')).toMatchObject([{ details: { fault: 'duplicate' } }]);
    expect((await Promise.all([one.judge(callOf({ args: '{"n":2}' })), two.judge(callOf({ args: '{"n":3}' }))])).toSorted()).toEqual(['approve.pending', 'approve.too_many']);
    await two.close();
  });

  it('a request that could not be recorded gives its place back', async () => {
    let isFull = true;
    const rig = await rigOf({ max_pending_per_caller: 1 }, { note: () => (isFull ? Promise.reject(new Error('disk full')) : Promise.resolve()) });
    expect(await rig.judge(callOf())).toBe('approve.unavailable');
    isFull = false;
    expect(await rig.judge(callOf())).toBe('approve.pending');
  });

  it('and what nobody could read is not asked', async () => {
    const rig = await rigOf({ max_arguments_bytes: 256 });
    expect(await rig.judge(callOf({ args: JSON.stringify({ n: 1, text: 'x'.repeat(256) }) }))).toBe('approve.too_large');
  });

  it('puts equal calls of different callers together', async () => {
    const rig = await rigOf();
    await rig.judge(callOf());
    await rig.judge(callOf({ principal: { id: 'key:k2' } }));
    const [one, two] = await rig.approve.approvals.list();
    expect(one?.group).toBe(two?.group);
    expect(await rig.approve.approvals.list({ group: one?.group ?? '' })).toHaveLength(2);
    expect(await rig.approve.approvals.get(one?.id ?? '')).toEqual(one);
  });
});
