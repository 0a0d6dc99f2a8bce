/**
 * JSON text with line breaks and two spaces per level, its numbers with every digit: nothing is parsed to a double, so 2^53+1 keeps its last
 * digit. `text` must be JSON (it is only walked); strings, keys too, go through `show` without their quotes, escapes resolved. Throws
 * SyntaxError for what is no JSON.
 */
export function prettyJson(text: string, show: (text: string) => string): string {
  JSON.parse(text); // the grammar; every byte below is where it belongs
  const out: string[] = [];
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth = opened(out, token, depth);
    else if (token === '}' || token === ']') depth = closed(out, token, depth);
    else if (token === ',') out.push(',', line(depth));
    else if (token === ':') out.push(': ');
    else out.push(token.startsWith('"') ? quoted(token, show) : token.replace(/^(-?\d+)e0$/, '$1')); // canonical JSON writes long integers so
  }
  return out.join('');
}
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const line = (depth: number): string => `\n${'  '.repeat(Math.min(depth, 40))}`;
/** Quotes and backslashes are escaped as in JSON, so that no string can end early and pose as a neighbour (CWE-116). */
const quoted = (token: string, show: (text: string) => string): string => `"${show((JSON.parse(token) as string).replaceAll(/["\\]/g, '\\$&'))}"`;
function opened(out: string[], token: string, depth: number): number {
  out.push(token, line(depth + 1));
  return depth + 1;
}
function closed(out: string[], token: string, depth: number): number {
  const isEmpty = /^[{[]$/.test(out.at(-2) ?? '') && /^\s+$/.test(out.at(-1) ?? '');
  if (isEmpty) out.pop();
  out.push(isEmpty ? token : line(depth - 1) + token);
  return depth - 1;
}
