import { prettyJson } from '../lib/pretty-json.ts';
import { isDeceptive, shown } from '../lib/shown.ts';
import type { ApprovalView } from './view.ts';

/** What a person reads before deciding, as plain text; nothing in it acts on a terminal (CWE-150) or looks like another line of it (CWE-117). */
export function screenOf(view: ApprovalView): string {
  const { requester, target } = view;
  const rows: (readonly [string, string])[] = [
    ['approval', `${shown(view.id)}  (${shown(view.state)})`],
    ['tool', `${shown(target.id)}  risk: ${shown(target.risk)}`],
    ['server', shown(target.server ?? '-')], ['method', `${shown(target.method)} ${shown(target.tool ?? '')}`.trim()], ['definition', shown(target.digest ?? '-')],
    ['environment', shown(view.environment ?? '-')],
    ['asked by', `${shown(requester.caller)}  user: ${shown(requester.user ?? '-')}  as ${shown(requester.principal)}`],
    ['known as', requester.identities.map(shown).join(', ') || '-'],
    ['why asked', `${shown(view.why)}  (rules: ${view.rule_ids.map(shown).join(', ') || '-'}; policy ${shown(view.policy_version)})`],
    ['reason', view.reason === null ? '- (none given)' : `“${shown(view.reason)}” (the caller’s own words)`], ['ticket', view.ticket === null ? '-' : `“${shown(view.ticket)}”`],
    ...view.terms.map((terms) => ['needs', `${terms.approved} of ${terms.quorum} yes from ${terms.groups.map(shown).join(', ') || '-'}; may still decide: ${terms.may_still_decide.map(shown).join(', ') || 'nobody'}${terms.escalate === null ? '' : `; ${terms.escalate.groups.map(shown).join(', ')} too from ${shown(terms.escalate.at)}`}`] as const),
    ...view.decisions.map((one) => ['decided', `${shown(one.verdict)} by ${shown(one.by)} (${shown(one.identity)}, ${shown(one.channel)}) at ${shown(one.at)}: “${shown(one.rationale)}”${one.narrowing === null ? '' : ` narrowed to ${shown(JSON.stringify(one.narrowing))}`}`] as const),
    ['before', `${view.similar.approved} such approved, ${view.similar.denied} denied${view.similar.last_at === null ? '' : `, last ${shown(view.similar.last_at)}`}`],
    ['time', `asked ${shown(view.created_at)}, over ${shown(view.expires_at)} (${timeLeft(view.seconds_left)} left)`],
    ['on yes', shown(view.on_yes)],
    ['arguments', `${view.arguments_bytes} bytes, SHA-256 ${shown(view.input_hash)}`],
  ];
  const text = rows.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n');
  return `${text}\n${indented(argumentsOf(view.arguments_text))}${warningOf(view)}`;
}
/** Each line of the arguments begins with a bar: text in them cannot pose as a row of ours. */
const indented = (text: string): string => text.split('\n').map((line) => `  │ ${line}`).join('\n');
function argumentsOf(text: string): string {
  try {
    return prettyJson(text, shown);
  } catch {
    return shown(text); // not JSON after all: as it is, harmless
  }
}
const warningOf = (view: ApprovalView): string =>
  [view.arguments_text, unescaped(view.arguments_text), view.reason ?? '', view.ticket ?? '', view.target.id].some(isDeceptive)
    ? '\n! Something here cannot be seen or looks like something else; it is written out as \\u{…}.' : '';
/** The text with `\u200b` and the like as characters, to find what hides behind an escape. */
const unescaped = (text: string): string => text.replace(/\\u([0-9a-f]{4})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

export function timeLeft(seconds: number): string {
  if (seconds >= 3_600) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${seconds} s`;
}

/** One line of `approvals list`. */
export const lineOf = (view: ApprovalView): string => [
  shown(view.id), shown(view.state).padEnd(8), shown(view.target.risk).padEnd(11), shown(view.target.id), `by ${shown(view.requester.caller)}`, `${view.terms.map(({ approved, quorum }) => `${approved}/${quorum}`).join(' ')} yes`, `${timeLeft(view.seconds_left)} left`,
].join('  ');
