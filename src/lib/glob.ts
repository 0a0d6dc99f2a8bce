/** Compiles a glob in which only `*` is special (any run of characters). Linear time: no pattern can hang it (CWE-1333). */
export function compileGlob(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return (text) => text === pattern;
  const last = parts[parts.length - 1] ?? '';
  const middle = parts.slice(1, -1);
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= text.length - last.length;
  };
}
/** True when any of the globs matches. */
export function compileGlobs(patterns: readonly string[]): (text: string) => boolean {
  const tests = patterns.map(compileGlob);
  return (text) => tests.some((test) => test(text));
}
