import { compileGlob } from './glob.ts';

/** How many characters of a glob are literal: the measure by which one glob is more specific than another. */
export const literalLength = (glob: string): number => glob.replaceAll('*', '').length;

/** True when some text matches both globs. Quadratic in their lengths, for use at load. */
export function globsOverlap(a: string, b: string): boolean {
  // row[j]: can the rest of `a` from i and the rest of `b` from j match the same text?
  let below: boolean[] = [];
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = Array.from({ length: b.length + 1 }, () => false);
    for (let j = b.length; j >= 0; j--) {
      if (i === a.length && j === b.length) row[j] = true;
      else if (a[i] === '*') row[j] = below[j] === true || (j < b.length && row[j + 1] === true);
      else if (b[j] === '*') row[j] = row[j + 1] === true || (i < a.length && below[j] === true);
      else row[j] = i < a.length && a[i] === b[j] && below[j + 1] === true;
    }
    below = row;
  }
  return below[0] === true;
}

/** Pairs of globs that are equally specific and can match the same text: whichever won would be an accident. */
export function ambiguousGlobs(globs: readonly string[]): readonly (readonly [string, string])[] {
  const found: [string, string][] = [];
  const byLength = Map.groupBy(globs, literalLength);
  for (const group of byLength.values()) {
    group.forEach((a, i) => {
      for (const b of group.slice(i + 1)) if ((a.includes('*') || b.includes('*')) && globsOverlap(a, b)) found.push([a, b]);
    });
  }
  return found;
}

/** Finds the entry whose glob matches and has the longest literal text. */
export function mostSpecific<T>(entries: Readonly<Record<string, T>>): (text: string) => readonly [glob: string, value: T] | undefined {
  const exact = new Map(Object.entries(entries).filter(([glob]) => !glob.includes('*')));
  const globs = Object.entries(entries)
    .filter(([glob]) => glob.includes('*'))
    .map(([glob, value]) => ({ glob, value, matches: compileGlob(glob) }))
    .toSorted((a, b) => literalLength(b.glob) - literalLength(a.glob));
  return (text) => {
    const named = exact.get(text);
    if (named !== undefined) return [text, named]; // nothing that matches has more literal text than the whole of it
    const first = globs.find((entry) => entry.matches(text));
    return first && [first.glob, first.value];
  };
}
