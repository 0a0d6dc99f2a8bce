import type { z } from 'zod';
import { checkText } from './check.ts';
import { type ConfigFault, type Draft, clean, formatPath } from './fault.ts';
import { placeOf } from './plain.ts';
import { type Source, readYaml } from './yaml.ts';

/** A YAML file of another kind than the configuration (rules, tests), judged the same way. */
export type Document<T> =
  | { readonly ok: true; readonly value: T; readonly faultOf: (draft: Draft) => ConfigFault }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Reads and checks a text against a schema; every fault with its place and a mend. `faultOf` gives what is found later its place. Never throws. */
export function readDocument<S extends z.ZodType>(text: string, file: string, schema: S): Document<z.output<S>> {
  const source = readYaml(text);
  const checked = checkText(text, file, { schema, cross: [], secrets: null }, source);
  return checked.ok ? { ok: true, value: checked.config, faultOf: (draft) => placed(draft, source, file) } : checked;
}

function placed(draft: Draft, source: Source, file: string): ConfigFault {
  const { line, col } = source.lines.linePos(offsetOf(draft, source));
  return { file, line: Math.max(line, 1), column: Math.max(col, 1), path: formatPath(draft.path), wrong: clean(draft.wrong), mend: clean(draft.mend) };
}
function offsetOf({ path, on }: Draft, source: Source): number {
  for (let length = path.length; length > 0; length--) {
    const place = source.places.get(placeOf(path.slice(0, length)));
    if (place !== undefined) return on !== 'key' && length === path.length ? place.value : place.key;
  }
  return 0;
}
