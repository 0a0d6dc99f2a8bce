import { isTemplate, isVaried, isWord, type SecretRule } from './secret-rules.ts';

/** Names of things that are secret. */
const NAMES = ['token', 'secret', 'password', 'passwd', 'passphrase', 'pwd', 'pass', 'apikey', 'api_key', 'api-key', 'api key', 'accesskey', 'access_key', 'access-key', 'privatekey', 'private_key', 'secretkey', 'secret_key', 'signingkey', 'signing_key', 'encryptionkey', 'encryption_key', 'auth', 'credential', 'credentials', 'key'];
/** What follows a name when a value follows: without it the word is prose. */
const MARKS = ['=', ':', '"', '\'', '`', '\\', '>', '?', '_', '1', '2'];

const PATTERN = /(token|secret|password|passwd|passphrase|pwd|pass|auth|credential|key)([A-Za-z0-9_-]{0,20})["'`\\\])]{0,4}\s{0,8}(?:=>|:=|\?=|=|:|,|>|\|\|?)\s{0,8}["'`\\([]{0,4}\s{0,4}([^\s"'`<>,;|)\]\\]{8,120})/gi;
const LONGEST_NAME = 60;

/** Names that end so hold something about a secret, not the secret. */
const ABOUT = /(?:id|name|type|url|uri|length|len|path|file|files|expires|expiry|expiration|endpoint|version|count|kind|header|field|param|label|mode|format|regex|prefix|scope|policy|alias|ref|hash|digest|size|index|map|mapping|limit|usage|address|host|server|method|identifier|tag|ttl|date|time|arn|frame|s?version)$/i;
/** Keys that open no door. */
const OTHER = /(?:foreign|primary|public|pub|sort|partition|cache|row|object|hot|short|keyboard|monkey|turkey|sequence|author|oauth_?callback|csrf|xsrf|kms|next|page|cursor|integrity|site|verify|did)[_.:-]?(?:key|token|auth)$|author$/i;

/**
 * `name = value`, `"name": "value"`, `<name>value</name>` … where the name says that the value is secret and the value looks random.
 * Passwords people make up are caught when they hold a digit; prose, paths, identifiers and templates are not.
 */
export const ASSIGNMENT: SecretRule = {
  kind: 'credential',
  keys: NAMES.flatMap((name) => MARKS.map((mark) => name + mark)),
  pattern: PATTERN,
  judge: judgeValue,
};

function judgeValue(value: string, match: RegExpExecArray): boolean {
  if (!/[0-9!@#$%^&*]/.test(value) || !isVaried(value)) return false; // first what costs least: hostile texts are full of names
  const rest = match[2] ?? '';
  const name = nameBefore(match);
  const inRest = /token|secret|pass|pwd|auth|cred/i.test(rest);
  const isKey = /key$/i.test(name) && !inRest;
  if (isKey && !/^s?[_-]?[0-9]*$/i.test(rest)) return false; // key_down, keyboard
  if (ABOUT.test(rest) || ABOUT.test(name) || OTHER.test(name)) return false;
  if (isTemplate(value) || isWord(value) || isCode(value)) return false;
  return /pass|pwd/i.test(name + rest) ? isMadeUp(value) : isRandom(value, isKey && !/api|access|private|secret|signing|encrypt/i.test(name));
}

/** The whole name, of which the pattern found the end: `GITHUB_TOKEN`, `X-Api-Key`. */
function nameBefore(match: RegExpExecArray): string {
  const before = match.input.slice(Math.max(0, match.index - LONGEST_NAME), match.index);
  return (/[A-Za-z0-9_.:-]*$/.exec(before)?.[0] ?? '') + (match[1] ?? '');
}

/** Paths, addresses, calls, members. */
function isCode(value: string): boolean {
  if (/^[./~]|:\/\/|[({]|^[a-z]+@|^(?:true|false|null|none|undefined)/i.test(value)) return true;
  return /^[A-Za-z_]\w{0,30}(?:\.[A-Za-z_]\w{0,30}){1,8}$/.test(value) && (value.match(/[0-9]/g)?.length ?? 0) < 4;
}
function isMadeUp(value: string): boolean {
  return value.length >= 8 && /[0-9!@#$%^&*]/.test(value) && /[A-Za-z]/.test(value) && isVaried(value);
}
function isRandom(value: string, strict: boolean): boolean {
  const digits = value.match(/[0-9]/g)?.length ?? 0;
  if (digits === value.length) return digits >= 15 && !strict && isVaried(value);
  const isLong = value.length >= 30 && digits > 0 && /[a-z]/.test(value) && /[A-Z]/.test(value);
  if (value.length < (strict ? 20 : 14) || (digits < 2 && !isLong) || new Set(value.toLowerCase()).size < 8) return false;
  return isVaried(value) && !/^[A-Za-z]{4,}(?:[-_][A-Za-z]{3,}){2,}/.test(value) && !/^[a-z]+(?:[-_.][a-z]+)*[-_.]v?[0-9][0-9.]*$/i.test(value);
}
