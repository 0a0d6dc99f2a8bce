import { mixesScripts, skeleton } from '../../lib/look-alike.ts';
import type { Finding, Say, TextCheck } from './finding.ts';
import { PolicyFault } from './finding.ts';
import { compileSegments } from './glob.ts';

const ASCII = /^[\x20-\x7e]*$/;
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const HIDDEN_BUT_LINES = /[^\P{C}\t\n\r]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const ODD_SPACE = /[^\P{Zs} ]/u;
/** Spellings that some servers decode before use: percent, backslash and HTML escapes (CWE-172, CWE-174). */
const ESCAPED = /%[0-9a-f]{2}|%u[0-9a-f]{4}|\\[ux0-7]|&#/i;

/** Why text of several lines cannot be judged, or null: characters that nobody sees, or not the composed form (CWE-176). */
export function proseFault(text: string): string | null {
  if (ASCII.test(text)) return null;
  if (HIDDEN_BUT_LINES.test(text)) return 'holds invisible or control characters';
  return text.normalize('NFC') === text ? null : 'is not in the Unicode form NFC';
}

/**
 * Why text cannot be compared as a name, or null. Two programs, or a program and a person, would read it differently: invisible, bidirectional and
 * control characters (CVE-2021-42574), other spaces, decomposed letters, letters of scripts that are drawn alike (Unicode TR39), escapes, and
 * spaces around it, which servers trim (CWE-46).
 */
export function nameFault(text: string): string | null {
  if (text.startsWith(' ') || text.endsWith(' ')) return 'begins or ends with a space';
  if (ESCAPED.test(text)) return 'holds escapes that a server may decode';
  if (ASCII.test(text)) return null;
  if (HIDDEN.test(text) || ODD_SPACE.test(text)) return 'holds invisible characters or unusual spaces';
  if (text.normalize('NFC') !== text) return 'is not in the Unicode form NFC';
  return mixesScripts(text) ? 'mixes letters of scripts that look alike' : null;
}

/** Drawn like a slash, or turned into a slash or backslash by Windows code pages ("best fit", CVE-2024-4577). */
const SLASHES = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9\u00a5\u20a9]/;

/** The same for names that separators cut into parts: besides, no character that compatibility forms (NFKC) make another of, as `／` becomes `/` and `．．` becomes `..` (CWE-180). */
export function partedFault(text: string): string | null {
  const fault = nameFault(text);
  if (fault !== null || ASCII.test(text)) return fault;
  return text.normalize('NFKC') !== text || SLASHES.test(text) ? 'holds characters that some programs turn into others' : null;
}

export const ALIKE = 'only looks like what the rule names: letter case, accents or look-alike letters differ';

/** Equal to one of `members`, letter for letter. Members are checked to be plain, or the reviewer of the rule would be deceived (CWE-1007). */
export function oneOf(members: readonly string[], say: Say): TextCheck {
  for (const member of members) mustBe(nameFault, member);
  const [exact, looks] = [new Set(members), new Set(members.map(skeleton))];
  const [other, alike] = [say.no('is none of the values that the rule names'), say.error(ALIKE)];
  return (value) => {
    if (exact.has(value)) return null;
    const fault = nameFault(value);
    if (fault !== null) return say.error(fault);
    return looks.has(skeleton(value)) ? alike : other;
  };
}

/** None of `members`, nor anything that is drawn like one of them. */
export function noneOf(members: readonly string[], say: Say): TextCheck {
  const isOne = oneOf(members, say);
  const named = say.no('is one of the values that the rule excludes');
  return (value) => {
    const finding = isOne(value);
    return finding === null ? named : finding.kind === 'no' ? null : finding;
  };
}

/** Matches one of the globs. `fault` says why a text is no such thing at all; the globs themselves are held to it. */
export function likeOneOf(globs: readonly string[], separator: string, fault: (text: string) => string | null, say: Say): TextCheck {
  for (const glob of globs) mustBe((text) => fault(text.replaceAll('*', 'x')), glob);
  const exact = globs.map((glob) => compileSegments(glob, separator));
  const looks = globs.map((glob) => compileSegments(skeleton(glob), separator));
  const [other, alike] = [say.no('matches none of the globs that the rule names'), say.error(ALIKE)];
  return (value): Finding | null => {
    const unfit = fault(value);
    if (unfit !== null) return say.error(unfit);
    if (exact.some((matches) => matches(value))) return null;
    const look = skeleton(value);
    return looks.some((matches) => matches(look)) ? alike : other;
  };
}

/** Throws PolicyFault when the rule names a text that no call could ever be compared with. */
export function mustBe(fault: (text: string) => string | null, text: string): void {
  const why = fault(text);
  if (why !== null) throw new PolicyFault(`\`${shown(text)}\` ${why}, and such values are never accepted; write it plainly`);
}
const shown = (text: string): string => JSON.stringify(text).slice(1, -1).replaceAll(/[^\x20-\x7e]/g, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
