import { describe, expect, it } from 'vitest';
import { sha256 } from '../../lib/hash.ts';
import { authorizeConfig } from '../config.ts';
import { createSimulator, flipOf } from './simulate.ts';
import { recordReader, type RecordedCall } from './recorded.ts';
import { createWeigher } from './weigh.ts';

/** A line as the audit writes it. */
const line = (fields: object = {}, input = '{"n":1}', hash = sha256(input)): Buffer => {
  const { tool_input: _, ...rest } = { event: 'call.intended', correlation_id: 'c1', caller_id: 'key:ada', caller_groups: ['finance'], caller_roles: [], tenant_id: null, mcp_server: 'bank', tool: 'pay', tool_risk: 'write', scopes: ['bank:write'], policy_ids: ['x'], policy_version: 'v', downstream_resource: 'bank/pay', timestamp: '2026-03-02T10:00:00.000Z', tool_input: null, ...fields };
  return Buffer.from(`${JSON.stringify(rest).slice(0, -1)},"tool_input":${input},"input_hash":"${hash}","output_summary":null}\n`);
};
const nowhere = () => ({ environment: null, region: null, tenant: null });
const read = (bytes: Buffer, placeOf: Parameters<typeof recordReader>[0] = nowhere): RecordedCall => {
  const found = recordReader(placeOf)(bytes);
  if ('skip' in found) throw new Error(found.skip);
  return found.call;
};
const weigh = (rules: object[], call: RecordedCall): string => {
  const weighed = createWeigher(authorizeConfig.parse({ rules })).weigh(call);
  return 'decision' in weighed ? weighed.decision.effect : weighed.because.map(({ rule, lacks }) => `${rule}: ${lacks.join()}`).join();
};
const CUT = '{"truncated":true,"bytes":99999}';
const asks = { id: 'asks', effect: 'deny', tools: ['bank__pay'], arguments: { n: { max: 5 } } };

describe('a record as a call', () => {
  it('arguments letter by letter, numbers too; what has another hash is lost', () => {
    expect(read(line({}, '{"n":10.00000000000000001}')).asked.argumentsText).toBe('{"n":10.00000000000000001}');
    for (const input of [CUT, '{"n":"[redacted:token]"}', '"text"']) expect([...read(line({}, input, sha256('{"n":1}'))).lost]).toEqual(['arguments']);
  });
  it('arguments that hold the names of fields move no border', () => {
    const input = '{"a":",\\"input_hash\\":\\"","tool_input":{"input_hash":"x"}}';
    expect(read(line({}, input)).asked.argumentsText).toBe(input);
  });
  it('a method is no tool of that name; a resource has its URI', () => {
    expect(read(line({ tool: 'resources/read', tool_risk: 'read', downstream_resource: 'file:///a' })).asked.target).toMatchObject({ tool: null, method: 'resources/read', name: 'file:///a' });
    expect([...read(line({ tool: 'resources/read', tool_risk: 'read', downstream_resource: 'file:///[redacted:token]' })).lost]).toEqual(['uri']);
  });
  it('what an old record does not hold is lost, not empty; a token’s name too', () => {
    expect([...read(line({ caller_groups: undefined, caller_roles: undefined, tenant_id: undefined, caller_id: 'jwt:https://i#ada' }), null).lost]).toEqual(['name', 'groups', 'roles', 'tenant', 'place']);
  });
  it.each([[{ event: 'call.finished' }, 'no_call'], [{ policy_ids: null }, 'not_judged'], [{ reason_code: 'authorize.credential' }, 'credential'], [{ tool_risk: 'odd' }, 'unreadable']])('%j is left out: %s', (fields, skip) => {
    expect(recordReader(nowhere)(line(fields))).toEqual({ skip });
  });
});

describe('nothing is guessed', () => {
  const cut = read(line({}, CUT, 'other'));
  it.each<readonly [string, object[], string]>([
    ['a rule that looks at lost arguments', [asks], 'rule:asks: arguments'],
    ['one that other facts rule out', [{ ...asks, groups: ['nobody'] }], 'allow'],
    ['a condition over them', [{ id: 'cel', effect: 'deny', tools: ['bank__pay'], when: 'args.n > 5' }], 'rule:cel: arguments'],
    ['a deny that decides it anyway', [asks, { id: 'shut', effect: 'deny', tools: ['bank__pay'] }], 'deny'],
    ['a rule on trial', [{ ...asks, shadow: true }], 'allow'],
    ['a condition over something else', [{ id: 'cel', effect: 'deny', when: 'caller.team == "x"' }], 'allow'],
  ])('%s', (_, rules, said) => expect(weigh(rules, cut)).toBe(said));
  it('where the server stands, unless it is known', () => {
    const rules = [{ id: 'prod', effect: 'deny', environments: ['production'] }];
    expect(weigh(rules, read(line(), null))).toBe('rule:prod: place');
    expect(weigh(rules, read(line(), () => ({ ...nowhere(), environment: 'production' })))).toBe('deny');
  });
  it('the groups of an old record', () => expect(weigh([{ id: 'g', effect: 'deny', groups: ['x'] }], read(line({ caller_groups: undefined })))).toBe('rule:g: groups'));
  it('a call that the same version decided by something else, or a grant under any version', () => {
    const config = authorizeConfig.parse({});
    const simulator = createSimulator(config, config, recordReader(nowhere), 5);
    const { version } = createWeigher(config);
    for (const ids of [['default:write'], ['default:read']]) simulator.take(line({ policy_version: version, policy_ids: ids }));
    for (const id of ['grant:g1', 'break_glass:b1']) simulator.take(line({ policy_ids: [id] }));
    expect(simulator.result()).toMatchObject({ calls: 4, same: 1, undecidable: 3, lacking: { 'decided then by what is not recorded': 1, 'a grant or break-glass decided then': 2 } });
  });
});

it('flips: effect first, then duties; another rule that says the same is none', () => {
  const decided = (rule: object) => {
    const weighed = createWeigher(authorizeConfig.parse({ rules: [{ id: String(Object.keys(rule).length), effect: 'allow', tools: ['bank__pay'], ...rule }] })).weigh(read(line()));
    if (!('decision' in weighed)) throw new Error('open');
    return weighed.decision;
  };
  const [free, other, reason, ticket] = [{ needs: 'none' }, { needs: 'none', why: 'x' }, { needs: { approval: false, reason: true } }, { needs: { approval: false, change_ticket: true } }].map(decided);
  const [deny] = [decided({ effect: 'deny' })];
  if (free === undefined || other === undefined || reason === undefined || ticket === undefined || deny === undefined) throw new Error('none');
  expect([flipOf(free, other), flipOf(free, reason), flipOf(reason, free), flipOf(reason, ticket), flipOf(free, deny), flipOf(deny, free)])
    .toEqual([null, 'more duties', 'fewer duties', 'other duties', 'allow to deny', 'deny to allow']);
});
