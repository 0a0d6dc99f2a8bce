import { z } from 'zod';
import { type Constraint, constraintConfig } from './constraint.ts';
import { plant } from './tree.ts';

/** A rule's `arguments` as the schema gives it: path to constraint, and `closed`. */
export interface ArgumentsConfig {
  readonly [path: string]: Constraint | boolean | undefined;
}

const CLOSED = 'closed';
const MAX_PATHS = 200;

/** The constraints by path; `"closed"` in quotes is an argument of that name. */
export const constraintsOf = (config: ArgumentsConfig): (readonly [string, Constraint])[] =>
  Object.entries(config).flatMap(([path, wanted]) => (typeof wanted === 'object' ? [[path, wanted] as const] : []));
export const isClosed = (config: ArgumentsConfig): boolean => config[CLOSED] !== false;

/** A rule's `arguments`: each path to what must hold there. Refuses rules that could never match or that say something else than they seem to. */
export const argumentsSchema = z
  .object({
    [CLOSED]: z
      .boolean()
      .optional()
      .describe('true, also if left out: a call with an argument that the rule does not name, in the arguments or in an object with a named member, cannot be judged by it: an allow rule does not match it, a deny rule refuses it. Name an argument with `any: true` to admit it, or set false to admit all. An argument called closed is written `"closed"` in quotes.'),
  })
  .catchall(constraintConfig)
  .superRefine((config: ArgumentsConfig, ctx) => {
    const constraints = constraintsOf(config);
    if (constraints.length > MAX_PATHS) return ctx.addIssue({ code: 'custom', message: `names more than ${MAX_PATHS} paths; split the rule` });
    plant(constraints, isClosed(config), ({ path, message }) => ctx.addIssue({ code: 'custom', path: path === null ? [] : [path], message }));
  })
  .describe('What the arguments of a call must be like, by path: `amount`, `payment.amount`, `items[].price` (each element), names with dots in double quotes. Every named argument must be there, be of the right type and hold.');
