/** One thing that is wrong in a config file, and how it looks when mended. No field ever holds a secret that stood in the file. */
export interface ConfigFault {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `dispatch.servers.github.url`, `authenticate.api_keys[0].secret`; `(file)` for the file as a whole. */
  readonly path: string;
  /** What is wrong, a clause without a full stop. */
  readonly wrong: string;
  /** YAML to paste in place of the faulty key, a shell command for a faulty file, or a YAML comment where only a person can know. */
  readonly mend: string;
}
export type Path = readonly (string | number)[];
/** A fault before its place in the file is known. `on: key` points at the key, not at its value. */
export interface Draft {
  readonly path: Path;
  readonly wrong: string;
  readonly mend: string;
  readonly on?: 'key' | 'value';
  /** Something that should stand there does not. */
  readonly missing?: boolean;
  /** The value could not be read and stands as empty: that it is empty need not be told too. */
  readonly lost?: boolean;
  /** The path that a mistyped key stands for: that this one is missing need not be told too. */
  readonly meant?: Path;
  /** Offset in the text, where the path does not lead to the place (syntax faults). */
  readonly offset?: number;
}

/** One line: `file:line:column path: what is wrong: a mended example`. */
export function formatFault(fault: ConfigFault): string {
  return clean(`${fault.file}:${fault.line}:${fault.column} ${fault.path}: ${fault.wrong}: ${fault.mend}`);
}

/** Control and direction characters out: a key in the file must not draw on the operator's terminal (CWE-150) nor start a second line (CWE-117). */
export const clean = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\uFFFD');

const PLAIN = /^[A-Za-z_][A-Za-z0-9_-]*$/;
/** A path as people write it; keys that are no plain words are quoted and cut at 64 characters. */
export function formatPath(path: Path): string {
  if (path.length === 0) return '(file)';
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (PLAIN.test(part) && part.length <= 64) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.length > 64 ? `${part.slice(0, 64)}…` : part)}]`;
  }
  return clean(text);
}

const SECRET_WORD = /key|token|secret|passw|pwd|passphrase|authoriz|credential|cookie|bearer|private|signature/i;
/** True when the nearest named key of the path is one under which people write secrets. Such values are never echoed. */
export function looksSecret(path: Path): boolean {
  const named = path.findLast((part) => typeof part === 'string');
  return named !== undefined && SECRET_WORD.test(named);
}
