import type { ApprovalEvent, ApprovalRequest } from '../approve/index.ts';
import type { Emergency } from '../authorize/grants/index.ts';
import { isDeceptive, shown } from '../lib/shown.ts';
import type { WebhookConfig } from './config.ts';

/** An emergency role was activated. */
export interface AlarmEvent {
  readonly kind: 'break_glass';
  readonly emergency: Emergency;
}

/** What a message is made of. */
export interface Told {
  readonly event: ApprovalEvent | AlarmEvent;
  readonly delivery: string;
  readonly at: number;
  /** Where the person behind the webhook may decide; null: no link. */
  readonly link: string | null;
  readonly includeArguments: boolean;
}

/** The body of one message, in the hook's own shape. */
export const payloadOf = (told: Told, format: WebhookConfig['format']): object => (format === 'slack' ? slackOf(told) : jsonOf(told));

/** Texts are as they came, told apart by their keys; docs/reference/admin.md says which are the caller's. */
function jsonOf({ event, delivery, at, link, includeArguments }: Told): object {
  const head = { event: event.kind, delivery, at: new Date(at).toISOString() };
  if (event.kind === 'digest') return { ...head, digest: { caller: event.requester.caller, user: event.requester.user, requests: event.count, since: new Date(event.since).toISOString() } };
  if (event.kind === 'break_glass') {
    const { id, role, caller, by, reason, until } = event.emergency;
    return { ...head, break_glass: { id, role, for: caller, by: by.user, reason, until: new Date(until).toISOString() } };
  }
  const { request } = event;
  return {
    ...head,
    approval: {
      id: request.id, state: request.state, tool: request.target.id, risk: request.target.risk, environment: request.environment,
      caller: request.requester.caller, user: request.requester.user, why: request.why, rule_ids: request.ruleIds, reason: request.reason, ticket: request.ticket,
      input_hash: request.input_hash, arguments_bytes: Buffer.byteLength(request.argumentsText), quorum: request.terms.map(({ groups, quorum }) => ({ groups, quorum })),
      decisions: request.decisions.length, expires_at: new Date(request.expiresAt).toISOString(),
    },
    ...(event.kind === 'decided' ? { decision: { by: event.decision.by, verdict: event.decision.verdict, rationale: event.decision.rationale, channel: event.decision.channel } } : {}),
    ...(includeArguments ? { arguments_text: request.argumentsText } : {}),
    ...(link === null ? {} : { links: { decide: link } }),
  };
}

const TITLES = { requested: 'Approval asked for', escalated: 'Still waiting: approval asked for', expired: 'Nobody decided in time', used: 'Approved call is running', decided: 'Decided', digest: 'Many approvals asked for', break_glass: 'BREAK-GLASS ACTIVATED' } as const satisfies Record<Told['event']['kind'], string>;
type Block = Readonly<Record<string, unknown>>;

/** Slack: whatever comes from outside stands in `plain_text` only, where nothing is markup; `text`, the fallback, is escaped besides. */
function slackOf(told: Told): object {
  const { event, link, includeArguments } = told;
  const title = TITLES[event.kind];
  const blocks: Block[] = [{ type: 'header', text: plain(title, 150) }];
  if (event.kind === 'digest') blocks.push(section(`${event.requester.caller}: ${event.count} requests since ${new Date(event.since).toISOString()}`));
  else if (event.kind === 'break_glass') blocks.push(section(`${event.emergency.role} for ${event.emergency.caller} by ${event.emergency.by.user}, until ${new Date(event.emergency.until).toISOString()}: ${event.emergency.reason}`));
  else {
    blocks.push({ type: 'section', fields: rowsOf(event.request).map(([name, value]) => plain(`${name}: ${shown(value)}`, 2_000)) });
    if (event.kind === 'decided') blocks.push(section(`${event.decision.verdict} by ${event.decision.by}: ${event.decision.rationale}`));
    if (includeArguments) blocks.push(section(event.request.argumentsText));
    if (isDeceptive(event.request.argumentsText)) blocks.push(section('The arguments hold characters that cannot be seen or look like others. Look at them with `sallyport approvals show`.'));
    if (link !== null) blocks.push({ type: 'actions', elements: [{ type: 'button', text: plain('Look and decide', 75), url: link }] });
  }
  const about = event.kind === 'digest' ? event.requester.caller : event.kind === 'break_glass' ? `${event.emergency.role} for ${event.emergency.caller}` : `${event.request.target.id} by ${event.request.requester.caller}`;
  return { text: cut(`${title}: ${mrkdwn(about)}`, 1_000), mrkdwn: false, parse: 'none', link_names: false, unfurl_links: false, unfurl_media: false, blocks };
}
const rowsOf = (request: ApprovalRequest): readonly (readonly [string, string])[] => [
  ['Tool', request.target.id], ['Risk', request.target.risk], ['Environment', request.environment ?? '-'],
  ['Caller', request.requester.caller], ['User', request.requester.user ?? '-'], ['Why', request.why],
  ['Reason given', request.reason ?? '-'], ['Ticket', request.ticket ?? '-'],
  ['Arguments', `${Buffer.byteLength(request.argumentsText)} bytes, SHA-256 ${request.input_hash}`], ['Approval', `${request.id}, until ${new Date(request.expiresAt).toISOString()}`],
];
const section = (text: string): Block => ({ type: 'section', text: plain(shown(text), 3_000) });
const plain = (text: string, most: number): Block => ({ type: 'plain_text', text: cut(text, most), emoji: false });
const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

/**
 * Stops mrkdwn injection (CWE-116): `<!channel>`, `<https://evil|Approve>` and mentions need the three escaped characters; what formats or
 * links by itself becomes a full stop or goes.
 */
export const mrkdwn = (text: string): string => shown(text).replaceAll(/[*_~`|]/g, '·').replaceAll('://', ':').replaceAll('@', '(at)').replaceAll(/[&<>]/g, (c) => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : '&gt;'));
