import { describe, expect, it } from 'vitest';
import type { Limited } from '../call/call.ts';
import type { Obligation } from '../call/decision.ts';
import { approveConfig } from './config.ts';
import { createApprove } from './index.ts';

const { stage } = createApprove(approveConfig.parse({}));
const callWith = (obligations: readonly Obligation[]): Limited =>
  ({ decision: { effect: 'allow', ruleIds: ['r1'], policyVersion: 'v1', obligations } }) as unknown as Limited;

describe('approve', () => {
  it('lets calls pass that need no approval', () => {
    expect(stage.run(callWith([]))).toEqual({ go: { approvalId: null } });
    expect(stage.run(callWith([{ id: 'o1', by: 'inspect', kind: 'wrap', why: '' }]))).toEqual({ go: { approvalId: null } });
  });

  it('stops a call with a duty to ask, wherever it stands in the list', () => {
    const verdict = stage.run(callWith([{ id: 'o1', by: 'inspect', kind: 'wrap', why: '' }, { id: 'o2', by: 'approve', kind: 'confirm', why: 'deletes data' }]));
    expect(verdict).toEqual({ stop: { code: 'approve.required', note: 'o2: deletes data' } });
  });

  it('never reports a duty to ask as met', () => {
    const verdict = stage.run(callWith([{ id: 'o2', by: 'approve', kind: 'confirm', why: '' }]));
    expect(verdict).not.toHaveProperty('met');
    expect(verdict).not.toHaveProperty('go');
  });

  it('has no settings: an unknown one is an error', () => {
    expect(approveConfig.safeParse({ auto: true }).success).toBe(false);
  });
});
