import type { Limited } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { type Answered, type Ask, pendingRefusal, plainAsk, type Said, type Wanted } from './ask.ts';
import { wayToAsk } from './can-ask.ts';
import { formOf, type Heard, type Owed, readForm } from './form.ts';
import { answerTo, type QuestionState, type QuestionStates } from './question-state.ts';
import type { ApprovalStore } from './records.ts';
import { shownCall } from './shown-call.ts';
import { words } from './words.ts';

/** Asks a legacy client on its call's stream, as dispatch/ does for servers; see Dispatch.askUser. */
export type AskOnStream = (call: Limited, method: string, paramsText: string) => Promise<{ readonly result: string } | { readonly error: string } | 'gone' | 'late' | 'given_up' | 'full'>;

export interface AskUserDeps {
  readonly states: QuestionStates;
  readonly store: ApprovalStore;
  readonly now: () => number;
  readonly confirmMs: number;
  readonly askOnStream: AskOnStream;
  /** Do caller and policy still stand as when the call was judged? Asked when a person has taken his time. */
  readonly isCurrent: (call: Limited) => boolean;
}
/** Asks in every era, and knows which calls wait for their own user just now. */
export interface AskUser extends Ask {
  readonly isAsking: (call: Limited) => boolean;
}

/** What our question is called among those of a call. */
const QUESTION = 'sallyport-approve';
const NONCE_KIND = 'approve_nonce';

/**
 * Reason, ticket and confirmation from the calling user himself (MISSION A2, A4), by whatever his client can do; else from the call's
 * `_meta`, but never a confirmation: the agent writes that.
 */
export function createAskUser(deps: AskUserDeps): AskUser {
  const asking = new WeakSet<Limited>();
  return {
    isOurs: (call) => deps.states.open(call) !== null,
    isAsking: (call) => asking.has(call),
    pending: (_call, request) => pendingRefusal(request),
    ask: async (call, wanted) => {
      const plain = await plainAsk.ask(call, wanted);
      if ('stop' in plain) return plain;
      const { said } = plain;
      const way = wayToAsk(call);
      if (way === 'modern') return askByAnswer(call, wanted, said, deps);
      const owed = owedOf(wanted, said);
      if (way === null || owed === null) return { said };
      asking.add(call);
      try {
        return await askByRequest(call, wanted, said, owed, deps);
      } finally {
        asking.delete(call);
      }
    },
  };
}

/** null: nothing. What nobody could read counts as not said. */
function owedOf(wanted: Wanted, said: Said): Owed | null {
  const owed = {
    reason: wanted.reason && (said.reason === null || words(said.reason) === null),
    ticket: wanted.ticket && (said.ticket === null || words(said.ticket, 128) === null),
    confirm: wanted.confirm && !said.confirmed,
  };
  return owed.reason || owed.ticket || owed.confirm ? owed : null;
}

async function askByAnswer(call: Limited, wanted: Wanted, said: Said, deps: AskUserDeps): Promise<Answered> {
  const state = deps.states.open(call);
  const heard = state === null ? null : await hear(call, wanted, state, deps);
  if (heard !== null && 'stop' in heard) return heard;
  const all = heard === null ? said : joined(said, heard.said);
  const owed = owedOf(wanted, all);
  // The client brings answers to its server: asked now, they would be lost, for a retry carries those of one round only.
  const isBetween = state === null && (call.message.params['requestState'] !== undefined || call.message.params['inputResponses'] !== undefined);
  if (owed === null || isBetween) return { said: all };
  const params = formOf(owed, wanted.ticketForms, shownCall(call, canonicalJson(call.input.text)));
  const asks = { resultType: 'input_required', inputRequests: { [QUESTION]: { method: 'elicitation/create', params } }, requestState: deps.states.close(call, wanted.binding, owed) };
  return { stop: { code: 'approve.input_required', asks: JSON.stringify(asks) } };
}

/** null: nothing was answered that counts; ask again. */
async function hear(call: Limited, wanted: Wanted, state: QuestionState, deps: AskUserDeps): Promise<{ readonly said: Said } | { readonly stop: Refusal } | null> {
  // Shown was another call than would run now: the tool or the policy changed in between (CWE-367).
  if (state.binding !== wanted.binding || state.isLate) return null;
  const heard = readForm(answerTo(call, QUESTION), state.owed);
  if (heard.action !== 'accept') return heard.action === 'declined' ? DECLINED : null;
  // Of a hundred copies of one yes, one counts (CWE-294).
  if (heard.said.confirmed && !(await spend(state.nonce, deps))) return null;
  return heard;
}
const DECLINED = { stop: { code: 'approve.declined' } } as const;
const spend = async (nonce: string, { store, now, confirmMs }: AskUserDeps): Promise<boolean> =>
  (await store.put(NONCE_KIND, nonce, EMPTY, { ifVersion: 0, expiresAt: now() + 2 * confirmMs })) !== null;
const EMPTY = new Uint8Array();

async function askByRequest(call: Limited, wanted: Wanted, said: Said, owed: Owed, deps: AskUserDeps): Promise<Answered> {
  const params = formOf(owed, wanted.ticketForms, shownCall(call, canonicalJson(call.input.text)));
  // `mode` came with 2025-11-25; without it a form is meant in every revision.
  const { mode: _, ...since } = params;
  const reply = await deps.askOnStream(call, 'elicitation/create', JSON.stringify(since));
  switch (reply) {
    case 'gone': return { said }; // nobody there to ask: the stage says what is missing
    case 'full': return { stop: { code: 'approve.too_many', note: 'questions to users' } };
    case 'late': return { stop: { code: 'approve.unanswered' } };
    case 'given_up': return { stop: { code: 'gateway.cancelled' } };
  }
  if ('error' in reply) return { said };
  // A revoked credential or a rule taken back while the user read counts at once (CWE-613, CWE-367).
  if (!deps.isCurrent(call)) return { stop: { code: 'approve.changed' } };
  const heard: Heard = readForm(parsed(reply.result), owed);
  if (heard.action === 'accept') return { said: joined(said, heard.said) };
  return heard.action === 'declined' ? DECLINED : { said };
}
/** The user's own words before those of the call. */
const joined = (said: Said, heard: Said): Said => ({ reason: heard.reason ?? said.reason, ticket: heard.ticket ?? said.ticket, confirmed: heard.confirmed });
const parsed = (text: string): Json => JSON.parse(text) as Json; // parse edge: the text of a message that receive/ has parsed strictly
