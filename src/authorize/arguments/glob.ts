import { compileGlob } from '../../lib/glob.ts';
import { PolicyFault } from './finding.ts';

type Segment = (text: string) => boolean;

/**
 * Compiles a glob over text that `separator` cuts into segments: `*` is any run of characters within one segment, alone at least one
 * character; `**`, alone in its segment, is one segment or more. So `org/*` is no way into `org/a/b`. Greedy over segments, no backtracking:
 * the cost is the length of the text times the number of segments in the glob (CWE-1333).
 */
export function compileSegments(glob: string, separator: string): (text: string) => boolean {
  const chunks: Segment[][] = [[]];
  for (const segment of glob.split(separator)) {
    if (segment === '**') {
      chunks[chunks.length - 1]?.push(isNotEmpty);
      chunks.push([]);
    } else if (segment.includes('**')) throw new PolicyFault(`\`**\` stands alone between two \`${separator}\`; within a name write \`*\``);
    else chunks[chunks.length - 1]?.push(segment === '*' ? isNotEmpty : compileGlob(segment));
  }
  const first = chunks[0] ?? [];
  if (chunks.length === 1) {
    return (text) => {
      const segments = text.split(separator);
      return segments.length === first.length && fits(first, segments, 0);
    };
  }
  const last = chunks[chunks.length - 1] ?? [];
  const middle = chunks.slice(1, -1);
  return (text) => {
    const segments = text.split(separator);
    const end = segments.length - last.length;
    if (end < first.length || !fits(first, segments, 0) || !fits(last, segments, end)) return false;
    let at = first.length;
    for (const chunk of middle) {
      while (at + chunk.length <= end && !fits(chunk, segments, at)) at++;
      at += chunk.length;
      if (at > end) return false;
    }
    return true;
  };
}

const isNotEmpty: Segment = (text) => text !== '';
const fits = (chunk: readonly Segment[], segments: readonly string[], at: number): boolean => chunk.every((matches, i) => matches(segments[at + i] ?? ''));
