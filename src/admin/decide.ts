import { z } from 'zod';
import type { Approvals, Approver } from '../approve/index.ts';
import type { JsonObject } from '../call/json.ts';
import { parseStrict } from '../lib/strict-json.ts';
import { type Answer, codeOf, refused } from './faults.ts';

const verdict = z.strictObject({ verdict: z.enum(['approve', 'deny']), rationale: z.string().max(8_192), narrowing: z.record(z.string(), z.unknown()).nullable().optional() });
const callback = verdict.extend({ approval: z.uuid() });
export type VerdictBody = z.infer<typeof verdict>;

/** null: not the JSON that a decision is. Every parser must read it alike, or what one program shows is not what another records (CWE-436). */
export const readVerdict = (body: Buffer): VerdictBody | null => read(body, verdict);
export const readCallback = (body: Buffer): z.infer<typeof callback> | null => read(body, callback);

/** The form of a link's page; each field once. */
export function readForm(body: Buffer): VerdictBody | null {
  const form = new URLSearchParams(body.toString('utf8'));
  if (form.size > 2) return null;
  const parsed = verdict.safeParse({ verdict: form.get('verdict'), rationale: form.get('rationale') });
  return parsed.success ? parsed.data : null;
}
/** A body by its schema; null: it is not that. */
export function read<T>(body: Buffer, schema: z.ZodType<T>): T | null {
  const strict = parseStrict(body.toString('utf8'), { maxDepth: 16, maxKeys: 256 });
  // A number that a double cannot hold would narrow to another one than was written.
  if (!strict.ok || strict.inexact.length > 0) return null;
  const parsed = schema.safeParse(strict.value);
  return parsed.success ? parsed.data : null;
}

/** One person's word, as the approvals take it; null: it was taken. */
export async function say(approvals: Approvals, id: string, person: Approver, body: VerdictBody, channel: string): Promise<Answer | null> {
  const decided = await approvals.decide(id, person, { verdict: body.verdict, rationale: body.rationale, narrowing: (body.narrowing ?? null) as JsonObject | null, channel }); // parsed as JSON above
  return decided.ok ? null : refused(codeOf(decided.fault), decided.says);
}
