import type { Limited } from '../call/call.ts';
import { sha256 } from '../lib/hash.ts';
import { isDeceptive, shown } from '../lib/shown.ts';

/** Characters of arguments in a form: what fits on a user's screen. */
const MOST = 4_000;

/**
 * What would run, for the user's eyes: who, where, the exact arguments. One line each, every string escaped as in JSON, and what acts on a
 * screen, cannot be seen or looks like something else is written out: an agent that was talked into a call must not be able to dress it up
 * (CWE-150, CWE-1007, CWE-451). `argumentsText`: canonical.
 */
export function shownCall(call: Limited, argumentsText: string): string {
  const { target, principal } = call;
  const place = principal.environment === null ? '' : `, environment ${shown(principal.environment)}`;
  const text = shown(argumentsText);
  const isCut = text.length > MOST;
  return [
    `Tool: ${shown(target.name ?? target.method)} (${shown(target.method)}) on server ${shown(target.server ?? 'the gateway itself')}, class ${target.risk}${place}`,
    `Asked by: ${shown(principal.caller)}${principal.user === null ? '' : ` for ${shown(principal.user)}`}`,
    `Arguments: ${isCut ? text.slice(0, MOST) : text}`,
    ...(isCut ? [`! ${text.length - MOST} more characters are not shown here. Say no unless you know them.`] : []),
    ...(isDeceptive(argumentsText) ? ['! Something in the arguments cannot be seen or looks like something else; it is written out as \\u{…}.'] : []),
    `${Buffer.byteLength(argumentsText)} bytes, SHA-256 ${sha256(argumentsText)}`,
  ].join('\n');
}
