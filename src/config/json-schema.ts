import { z } from 'zod';
import { SECRET_FLAG } from '../secrets/index.ts';

/** JSON Schema 2020-12 of what people write (defaults optional), for completion and marks in editors. The gateway itself judges more. */
export function jsonSchemaOf(schema: z.ZodType): object {
  const made = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      delete jsonSchema[SECRET_FLAG]; // no keyword of JSON Schema; strict validators refuse it
    },
  });
  return { ...made, title: 'Sallyport configuration' };
}
