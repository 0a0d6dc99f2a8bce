/** Letters that must be added, dropped, changed or swapped with their neighbour (optimal string alignment distance). */
export function distance(a: string, b: string): number {
  let older: number[] = [];
  let old: number[] = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((old[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (old[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (older[j - 2] ?? 0) + 1);
      row.push(best);
    }
    older = old;
    old = row;
  }
  return old[b.length] ?? 0;
}

const UNIT = /_(?:ms|millis|milliseconds|s|sec|secs|seconds|m|min|minutes|h|hours|days|bytes|kb|mb|kib|mib)$/;
/** `timeoutMs`, `timeout-ms` and `TIMEOUT_MS` as `timeout_ms`. */
export const snake = (key: string): string => key.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('-', '_').toLowerCase();
/** The key without its unit: `timeout` of `timeout_ms`. */
const stem = (key: string): string => snake(key).replace(UNIT, '');

/** The known word a person most likely meant; null when none is near. Spelling, then a wrong unit, then up to a third of the letters. */
export function nearest(word: string, known: Iterable<string>): string | null {
  const wanted = snake(word.slice(0, 64));
  const words = [...known];
  const same = words.find((each) => each === wanted) ?? words.find((each) => stem(each) === stem(wanted) && UNIT.test(each));
  if (same !== undefined) return same;
  const limit = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  let best: string | null = null;
  let least = limit + 1;
  for (const each of words) {
    const far = distance(wanted, each.toLowerCase());
    if (far < least && far < each.length) [best, least] = [each, far];
  }
  return best;
}
