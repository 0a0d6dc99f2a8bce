/** Compiled by `npm run check`, never run: a misplaced stage, an allow without a rule or an unchecked result must not compile. */
import type * as c from '../../src/call/call.ts';
import type { Allow } from '../../src/call/decision.ts';
import type { Refusal } from '../../src/call/refusal.ts';
import type { Stage } from '../../src/call/stage.ts';
import type { Stages } from '../../src/pipeline.ts';

declare const stages: Stages;
declare const call: c.Received;
declare const answer: c.Answer;
declare function pass<N extends c.Received, A extends object>(stage: Stage<N, A>, now: N): Promise<N & A>;

export async function order(): Promise<unknown[]> {
  const authenticated = await pass(stages.authenticate, call);
  const resolved = await pass(stages.resolve, authenticated);
  // @ts-expect-error no decision yet: validate may not run before authorize
  await pass(stages.validate, resolved);
  // @ts-expect-error no decision, input, permit, approval or journal entry: nothing may be dispatched
  await pass(stages.dispatch, resolved);
  const authorized = await pass(stages.authorize, resolved);
  // @ts-expect-error no approval: the journal comes after approve
  await pass(stages.journal, await pass(stages.validate, authorized));
  // @ts-expect-error an allow without a rule cannot be written
  const allow: Allow = { effect: 'allow', ruleIds: [], policyVersion: 'x', obligations: [] };
  // @ts-expect-error an answer that nobody inspected is not a result
  const safe: c.SafeResult = answer;
  // @ts-expect-error arguments that nobody judged are not an input
  const input: c.ValidInput = { value: {}, text: '{}' };
  // @ts-expect-error a code that is not in the catalogue
  const refusal: Refusal = { code: 'limit.mood' };
  // @ts-expect-error a gateway without a journal does not compile
  const incomplete: Stages = { ...stages, journal: undefined };
  return [allow, safe, input, refusal, incomplete];
}
