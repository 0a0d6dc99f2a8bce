import { PolicyFault } from './finding.ts';
import { mustBe, nameFault } from './text.ts';

/** One step into the arguments: a member by its name, or every element. */
export type Step = { readonly name: string } | 'each';

const MAX_STEPS = 16;
const BARE = /[^.[\]"*\s]+/y;
const QUOTED = /"(?:[^"\\]|\\.)*"/y;

/** Reads `amount`, `payment.amount`, `items[].price`, `"a.b".c`. Throws PolicyFault. */
export function parsePath(path: string): readonly Step[] {
  const steps: Step[] = [];
  let at = 0;
  for (;;) {
    const name = take(path, at, BARE) ?? take(path, at, QUOTED);
    if (name === null) throw new PolicyFault('is not a path; write `amount`, `payment.amount`, `items[].price`, and names with other characters in double quotes');
    at += name.length;
    steps.push({ name: plain(name.startsWith('"') ? unquote(name) : name) });
    while (path.startsWith('[]', at)) {
      steps.push('each');
      at += 2;
    }
    if (steps.length > MAX_STEPS) throw new PolicyFault(`has more than ${MAX_STEPS} steps`);
    if (at === path.length) return steps;
    if (path[at] !== '.') throw new PolicyFault('is not a path; after a name come `.`, `[]` or the end');
    at++;
  }
}

function take(path: string, at: number, wanted: RegExp): string | null {
  const sticky = new RegExp(wanted); // a copy: a sticky expression remembers where it stood
  sticky.lastIndex = at;
  return sticky.exec(path)?.[0] ?? null;
}

function unquote(quoted: string): string {
  let name: unknown;
  try {
    name = JSON.parse(quoted);
  } catch {
    throw new PolicyFault('has a name in quotes that is not a JSON string');
  }
  return String(name);
}

/** A name that only looks like an argument's would judge an argument that no server has, and leave the other one alone (CWE-1007). */
function plain(name: string): string {
  mustBe(nameFault, name);
  return name;
}
