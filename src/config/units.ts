const MS: Readonly<Record<string, number>> = {
  ms: 1, millis: 1, milliseconds: 1, s: 1_000, sec: 1_000, secs: 1_000, second: 1_000, seconds: 1_000, m: 60_000, min: 60_000, mins: 60_000, minute: 60_000, minutes: 60_000,
  h: 3_600_000, hr: 3_600_000, hour: 3_600_000, hours: 3_600_000, d: 86_400_000, day: 86_400_000, days: 86_400_000,
};
const BYTES: Readonly<Record<string, number>> = {
  b: 1, byte: 1, bytes: 1, k: 1_024, kb: 1_000, kib: 1_024, m: 1_048_576, mb: 1_000_000, mib: 1_048_576, g: 1_073_741_824, gb: 1_000_000_000, gib: 1_073_741_824,
};
/** The unit a key counts in, from its end: `timeout_ms`, `max_bytes`. */
const SCALES: readonly (readonly [end: RegExp, table: typeof MS, scale: number])[] = [
  [/(?:^|_)(?:ms|millis|milliseconds)$/, MS, 1],
  [/_(?:s|sec|secs|seconds)$/, MS, 1_000],
  [/_(?:m|min|minutes)$/, MS, 60_000],
  [/_(?:h|hours)$/, MS, 3_600_000],
  [/_days$/, MS, 86_400_000],
  [/(?:^|_)bytes$/, BYTES, 1],
  [/_(?:kb|kib)$/, BYTES, 1_024],
  [/_(?:mb|mib)$/, BYTES, 1_048_576],
];
const scaleOf = (key: string): { readonly table: typeof MS; readonly scale: number } | null => {
  const row = SCALES.find(([end]) => end.test(key));
  return row ? { table: row[1], scale: row[2] } : null;
};

/**
 * What `value` is in the unit of `key`: `"30s"` for `timeout_ms` is 30000; `30` under `from` = `timeout_s` is 30000 too.
 * Null when the key has no unit or the value is no amount of that unit.
 */
export function inUnitOf(key: string, value: unknown, from?: string): number | null {
  const to = scaleOf(key);
  if (to === null) return null;
  const written = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : '';
  const [, digits, word] = /^(\d{1,15}(?:\.\d{1,6})?)\s{0,4}([A-Za-z]{0,12})$/.exec(written) ?? [];
  if (digits === undefined) return null;
  const named = word ? to.table[word.toLowerCase()] : undefined;
  if (word && named === undefined) return null;
  const own = from === undefined ? null : scaleOf(from);
  const scale = named ?? (own !== null && own.table === to.table ? own.scale : to.scale);
  const amount = (Number(digits) * scale) / to.scale;
  return Number.isFinite(amount) && amount <= Number.MAX_SAFE_INTEGER ? Math.round(amount) : null;
}
