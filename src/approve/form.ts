import { isObject, type Json, type JsonObject } from '../call/json.ts';
import type { Said, Wanted } from './ask.ts';

/** What is still owed, as the fields of a form. */
export type Owed = Pick<Wanted, 'reason' | 'ticket' | 'confirm'>;

/** What a user said to the form. unclear: no answer to it at all. */
export type Heard = { readonly action: 'accept'; readonly said: Said } | { readonly action: 'declined' | 'unclear' };

/** The params of `elicitation/create` in form mode, the same in both eras; asks for what is owed and nothing else. */
export function formOf(owed: Owed, forms: readonly string[], shownCall: string): JsonObject {
  const properties: Record<string, Json> = {
    ...(owed.reason && { reason: { type: 'string', title: 'Reason', description: 'Why this is to be done. Those who decide and the record see it.', minLength: 1, maxLength: 1_000 } }),
    ...(owed.ticket && { ticket: { type: 'string', title: 'Change ticket', description: forms.length === 0 ? 'The ticket under which this is done.' : `The ticket under which this is done, of the form ${forms.join(' and ')}`, minLength: 1, maxLength: 128 } }),
    ...(owed.confirm && { confirm: { type: 'boolean', title: 'Run exactly this, once', description: 'Yes only if you want exactly the call above.' } }),
  };
  const lead = owed.confirm ? 'The gateway asks you before this call runs.' : 'Before this call can be approved, the gateway needs to know from you:';
  return { mode: 'form', message: `${lead}\n\n${shownCall}`, requestedSchema: { type: 'object', properties, required: Object.keys(properties) } };
}

/**
 * Reads an `ElicitResult`. A form that is sent off without an explicit yes in its field is no yes: clients fill in, and users click away
 * (CWE-451). No answer is trusted further than its type; the stage judges the words.
 */
export function readForm(answer: Json | undefined, owed: Owed): Heard {
  if (!isObject(answer)) return { action: 'unclear' };
  if (answer['action'] === 'decline' || answer['action'] === 'cancel') return { action: 'declined' };
  if (answer['action'] !== 'accept') return { action: 'unclear' };
  const content = isObject(answer['content']) ? answer['content'] : {};
  if (owed.confirm && content['confirm'] !== true) return { action: 'declined' };
  const text = (name: 'reason' | 'ticket'): string | null => (owed[name] && typeof content[name] === 'string' ? content[name] : null);
  return { action: 'accept', said: { reason: text('reason'), ticket: text('ticket'), confirmed: owed.confirm } };
}
