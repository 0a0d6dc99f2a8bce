import process from 'node:process';
import type { Known, Outcome } from '../call/call.ts';
import type { Refusal } from '../call/refusal.ts';
import { visible } from '../lib/visible.ts';

/**
 * The one readable line per call: when, who, tool, class, decision, why, how long. Names come from callers and servers: what acts on
 * a terminal is made visible (CWE-150), and what is long is cut. Refusals' notes stay in the record; they may quote what was sent.
 */
export function formatCallLine(known: Known, outcome: Outcome, ms: number, color = process.stdout.isTTY): string {
  const { verdict, why, tint } = judge(known, outcome);
  const paint = color ? `\u001b[${tint}m${verdict}\u001b[0m` : verdict;
  return [
    new Date(known.receivedAt).toTimeString().slice(0, 8),
    column(known.principal?.caller ?? '-', 14),
    column(known.target?.id ?? known.name ?? known.message.method, 36),
    column(known.target?.risk ?? '-', 11),
    paint + ' '.repeat(Math.max(0, 8 - verdict.length)),
    column(why, 24),
    `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`.padStart(9),
  ].join(' ');
}

/** The same for what was refused at the door, before there was a call. */
export function formatEarlyLine(early: { readonly receivedAt: number; readonly door: string; readonly server: string | null; readonly refusal: Refusal }, color = process.stdout.isTTY): string {
  const verdict = color ? `\u001b[${RED}mrefused\u001b[0m ` : 'refused ';
  return [new Date(early.receivedAt).toTimeString().slice(0, 8), column('-', 14), column(`(${early.door}${early.server === null ? '' : ` ${early.server}`})`, 36), column('-', 11), verdict, early.refusal.code].join(' ');
}

const GREEN = 32, YELLOW = 33, RED = 31;

function judge(known: Known, outcome: Outcome): { readonly verdict: string; readonly why: string; readonly tint: number } {
  if ('refusal' in outcome) {
    const { code } = outcome.refusal;
    // A call that was let through and failed behind the gateway was not denied.
    if (code.startsWith('dispatch.') || outcome.effect !== 'none') return { verdict: 'failed', why: code, tint: YELLOW };
    return { verdict: 'refused', why: code, tint: RED };
  }
  const rules = known.decision?.ruleIds.join(',') ?? '-';
  return outcome.result.success ? { verdict: 'allowed', why: rules, tint: GREEN } : { verdict: 'error', why: rules, tint: YELLOW };
}

function column(text: string, width: number): string {
  const safe = visible(text.slice(0, 200));
  return safe.length > width ? `${safe.slice(0, width - 1)}…` : safe.padEnd(width);
}
