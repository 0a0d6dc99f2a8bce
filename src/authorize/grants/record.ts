import { z } from 'zod';

const person = z.strictObject({ id: z.string(), user: z.string(), identities: z.array(z.string()) });
/** Who did something: his credential, his name, and every name he was known by, folded. */
export type By = Readonly<z.infer<typeof person>>;
const end = z.strictObject({ at: z.number(), by: person.nullable() });
const ends = { from: z.number(), until: z.number(), /** null: not yet. `by` null: by itself. */ ended: end.nullable() };

const grant = z.strictObject({ kind: z.literal('grant'), id: z.uuid(), by: person, why: z.string(), rule: z.record(z.string(), z.unknown()), ...ends });
const emergency = z.strictObject({
  kind: z.literal('break_glass'), id: z.uuid(), by: person, role: z.string(), caller: z.string(), reason: z.string(), ...ends,
  review: z.strictObject({ by: person, at: z.number(), finding: z.string() }).nullable(),
});
/** Somebody may do something for a while. Times are ms since epoch. */
export type Grant = Readonly<z.infer<typeof grant>>;
/** One activation of a break-glass role; `review` null: still open. */
export type Emergency = Readonly<z.infer<typeof emergency>>;
export type Held = Grant | Emergency;

const held = z.discriminatedUnion('kind', [grant, emergency]);
export const write = (record: Held): Uint8Array => Buffer.from(JSON.stringify(record));
/** null: damaged, or under another's id; it allows nothing. */
export function read(id: string, bytes: Uint8Array): Held | null {
  try {
    const parsed = held.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return parsed.success && parsed.data.id === id ? parsed.data : null;
  } catch {
    return null;
  }
}
