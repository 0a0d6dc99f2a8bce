/** One row of the refusal catalogue. docs/reference/refusals.md is generated from it; a test proves that code, table and use agree. */
export interface RefusalRow {
  /** HTTP status at the MCP doors. */
  readonly mcp: number;
  /** HTTP status at POST /tool. */
  readonly rest: number;
  /** JSON-RPC error code; our own stand outside -32768…-32000 (MCP 2026-07-28 base protocol, error codes). */
  readonly rpc: number;
  /** tool: a `tools/call` gets a result with `isError: true`, so that the model can mend its call. error: a JSON-RPC error. */
  readonly as: 'tool' | 'error';
  readonly retryable: boolean;
  /** What the caller reads; never quotes input. */
  readonly says: string;
  /** What the operator does. */
  readonly operator: string;
}

type Row = readonly [mcp: number, rest: number, rpc: number, as: 'tool' | 'error', retryable: boolean, says: string, operator: string];
const ABSENT = 'Unknown tool, prompt or resource, or not one this credential may use. List them again and pick one of those.';
const WHO = 'Authentication failed: send one valid credential, `X-API-Key: …` or `Authorization: Bearer …`.';
const LATER = 'The server behind this tool is not reachable. Nothing was executed; try again later.';
const CHECK = 'It is not known whether the call took effect. Check the state before you repeat it.';
const SELF = 'The gateway refused the call because of a fault of its own. Do not retry at once.';

/** Columns: status at the MCP doors, status at POST /tool, JSON-RPC code, shape for tools/call, retryable, sentence, what the operator does. */
const ROWS = {
  'receive.path': [404, 404, -32601, 'error', false, 'No such endpoint.', 'Check the URL: /mcp, /s/<server>/mcp or /tool.'],
  'receive.method': [405, 405, -32601, 'error', false, 'This HTTP method is not served here.', 'Nothing; the client is wrong.'],
  'receive.host': [403, 403, -32600, 'error', false, 'The Host header is not one this gateway answers to.', 'Add the public name to receive.hosts.'],
  'receive.origin': [403, 403, -32600, 'error', false, 'The Origin is not allowed.', 'Add the browser origin to receive.origins, if you trust it.'],
  'receive.content_type': [415, 415, -32700, 'error', false, 'Send Content-Type: application/json, without an encoding.', 'Nothing; the client is wrong.'],
  'receive.accept': [406, 406, -32600, 'error', false, 'Accept must admit application/json and text/event-stream.', 'Nothing; the client is wrong.'],
  'receive.too_large': [413, 413, -32600, 'error', false, 'The request is larger than this gateway takes.', 'Raise receive.max_bytes if the size is legitimate.'],
  'receive.utf8': [400, 400, -32700, 'error', false, 'The body is not valid UTF-8.', 'Nothing; the client is wrong.'],
  'receive.json': [400, 400, -32700, 'error', false, 'The body is not valid JSON.', 'Nothing; the client is wrong.'],
  'receive.duplicate_key': [400, 400, -32700, 'error', false, 'An object names the same key twice, or twice up to letter case.', 'Look who sends it: parsers disagree on such objects, which is an attack.'],
  'receive.prototype_key': [400, 400, -32700, 'error', false, 'An object uses a key that is reserved by JavaScript.', 'Look who sends it.'],
  'receive.depth': [400, 400, -32700, 'error', false, 'The JSON is nested too deeply.', 'Raise receive.max_depth if the nesting is legitimate.'],
  'receive.message': [400, 400, -32600, 'error', false, 'Not a JSON-RPC 2.0 message of the Model Context Protocol.', 'Nothing; the client is wrong.'],
  'receive.headers': [400, 400, -32600, 'error', false, 'A header is repeated or malformed.', 'Look who sends it: repeated headers are read differently by different programs.'],
  'receive.header_mismatch': [400, 400, -32020, 'error', false, 'Headers and body disagree.', 'Nothing; the client is wrong.'],
  'receive.version': [400, 400, -32022, 'error', false, 'This protocol version is not supported.', 'See docs/limits.md for the versions.'],
  'receive.meta': [400, 400, -32602, 'error', false, 'params._meta lacks what this protocol version requires.', 'Nothing; the client is wrong.'],
  'receive.params': [400, 400, -32602, 'error', false, 'The params of this method are not of the right form.', 'Nothing; the client is wrong.'],
  'receive.session_required': [400, 400, -32600, 'error', false, 'Mcp-Session-Id is missing; send initialize first.', 'Nothing; the client is wrong.'],
  'receive.overloaded': [503, 503, -32603, 'error', true, 'Too many requests are being worked on. Try again shortly.', 'Raise receive.max_in_flight or add a replica.'],
  'receive.draining': [503, 503, -32603, 'error', true, 'The gateway is shutting down.', 'Nothing; it drains.'],

  'authenticate.missing': [401, 401, -31001, 'error', false, WHO, 'Give the client a key or a token.'],
  'authenticate.malformed': [401, 401, -31001, 'error', false, WHO, 'The credential cannot be read as one; the record says why.'],
  'authenticate.ambiguous': [400, 400, -31001, 'error', false, 'More than one credential was sent. Send exactly one.', 'Look who sends two: it is either a proxy that adds one or a confusion attack.'],
  'authenticate.unknown': [401, 401, -31001, 'error', false, WHO, 'The key is not on file or the token was not signed by a known key.'],
  'authenticate.revoked': [401, 401, -31001, 'error', false, WHO, 'Somebody still uses a revoked key: find out who.'],
  'authenticate.expired': [401, 401, -31001, 'error', false, WHO, 'Rotate the key or let the client fetch a new token.'],
  'authenticate.not_yet': [401, 401, -31001, 'error', false, WHO, 'The token is not valid yet: compare clocks.'],
  'authenticate.issuer': [401, 401, -31001, 'error', false, WHO, 'The issuer is not configured under authenticate.jwt.'],
  'authenticate.audience': [401, 401, -31001, 'error', false, WHO, 'The token was issued for another service; it is refused here by design.'],
  'authenticate.algorithm': [401, 401, -31001, 'error', false, WHO, 'The token uses an algorithm or type that is not allowed.'],
  'authenticate.claims': [401, 401, -31001, 'error', false, WHO, 'A claim is missing or not of the right form; the record names it.'],
  'authenticate.lifetime': [401, 401, -31001, 'error', false, WHO, 'The token lives longer than authenticate.jwt.max_lifetime.'],
  'authenticate.source': [401, 401, -31001, 'error', false, WHO, 'The key is bound to other source addresses.'],
  'authenticate.unavailable': [503, 503, -32603, 'error', true, 'The credential cannot be verified at present.', 'The key store or the JWKS URL does not answer.'],

  'resolve.unknown_server': [404, 404, -32601, 'error', false, 'No such endpoint.', 'Check the server name in the URL.'],
  'resolve.unknown_session': [404, 404, -32600, 'error', false, 'No such session; send initialize again.', 'Normal after a restart. Many of these for one caller: somebody guesses session ids.'],
  'resolve.unknown_method': [404, 404, -32601, 'error', false, 'Method not found.', 'The method is not one this gateway routes.'],
  'resolve.unknown_tool': [200, 403, -32602, 'error', false, ABSENT, 'Nothing; or a tool was renamed on the server.'],
  'resolve.unavailable': [503, 503, -32603, 'error', true, LATER, 'The server’s tool list could not be read; see /ready.'],

  'authorize.no_rule': [200, 403, -32602, 'error', false, ABSENT, 'No rule allows it. Add one if it is wanted.'],
  'authorize.rule': [200, 403, -32602, 'error', false, ABSENT, 'A deny rule matched; the record names it.'],
  'authorize.scope': [200, 403, -32602, 'error', false, ABSENT, 'The credential lacks every scope that would do; the record names them.'],
  'authorize.credential': [200, 403, -32602, 'error', false, ABSENT, 'The key’s own allowed or denied tools exclude it.'],
  'authorize.class': [200, 403, -32602, 'error', false, ABSENT, 'The class is refused unless a rule names the tool.'],
  'authorize.error': [200, 403, -32602, 'error', false, ABSENT, 'A rule could not be evaluated; an error denies.'],

  'validate.arguments': [200, 400, -32602, 'tool', true, 'The arguments do not fit the tool’s input schema.', 'Nothing; the model is told what to mend.'],
  'validate.number': [200, 400, -32602, 'tool', true, 'A number cannot be judged exactly.', 'Nothing; the model is told what to mend.'],
  'validate.schema': [200, 502, -32603, 'tool', false, 'The tool’s input schema cannot be used, so no arguments can be judged by it.', 'Report it to whoever runs the server; the record says what is wrong.'],
  'validate.header_mismatch': [400, 400, -32020, 'error', false, 'An Mcp-Param header and the arguments disagree.', 'Nothing; the client is wrong.'],

  'limit.rate': [429, 429, -31029, 'tool', true, 'Too many calls. Wait before you call again.', 'Raise the limit under limit.rates if the use is legitimate.'],
  'limit.concurrency': [429, 429, -31029, 'tool', true, 'Too many calls are running on this server. Wait for one to end.', 'Raise limit.concurrency if the server can bear it.'],

  'approve.required': [200, 403, -31030, 'tool', false, 'This tool needs the approval of a person, and nobody is named who could give it. Nothing was executed; do not retry.', 'Name approvers under approve.groups or in the rule.'],
  'approve.pending': [200, 202, -31030, 'tool', true, 'This call needs the approval of a person, who has been asked. Nothing was executed. Tell your user; after the approval repeat exactly this call, and it runs once.', 'Approvers decide with `sallyport approvals`.'],
  'approve.denied': [200, 403, -31030, 'tool', false, 'An approver has said no to this call. Nothing was executed; do not repeat it.', 'The record names who and why; approve.again_ms is how long a no stands.'],
  'approve.expired': [200, 403, -31030, 'tool', false, 'Nobody approved this call in time, which is a no. Nothing was executed; tell your user.', 'Raise approve.expires_ms, or name more approvers.'],
  'approve.used': [200, 409, -31030, 'tool', false, 'The approval of this call was used by the same call just now. Do not repeat it unless it shall happen twice.', 'Nothing: each execution needs an approval of its own.'],
  'approve.narrowed': [200, 403, -31030, 'tool', false, 'The approver allows less than this call asks for. Nothing was executed; send a call within these limits, which needs its own approval.', 'Nothing; the record names the approver.'],
  'approve.reason_required': [200, 403, -31030, 'tool', true, 'Say why this is to be done: repeat the call with a sentence in params._meta["sallyport/reason"] (at POST /tool: `reason`). Nothing was executed.', 'A rule asks for a reason.'],
  'approve.ticket_required': [200, 403, -31030, 'tool', true, 'Name a change ticket: ask your user for it and repeat the call with it in params._meta["sallyport/ticket"] (at POST /tool: `ticket`). Nothing was executed.', 'A rule asks for a change ticket.'],
  'approve.ticket_refused': [200, 403, -31030, 'tool', false, 'The change ticket is not a valid one. Nothing was executed; ask your user.', 'The record says whether its form or the check (approve.ticket) refused it.'],
  'approve.dry_run_required': [200, 403, -31030, 'tool', true, 'Do a dry run first: send the same call with the dry-run argument true, look at the result, then repeat this call. Nothing was executed.', 'A rule asks for a dry run; approve.dry_run_ms is how long one counts.'],
  'approve.confirm_required': [200, 403, -31030, 'tool', false, 'The user must confirm this call, and this client cannot ask. Nothing was executed; tell your user that it takes a client with elicitation.', 'Let the caller use a client that supports elicitation, or ask for an approval in place of the confirmation.'],
  'approve.input_required': [200, 403, -31030, 'tool', true, 'Your user is asked first. Nothing was executed.', 'Nothing: the client shows the question and sends the call again with the answer.'],
  'approve.declined': [200, 403, -31030, 'tool', false, 'Your user did not agree to this call. Nothing was executed; do not repeat it unless your user asks for it.', 'Nothing; the user said no, or closed the question.'],
  'approve.unanswered': [200, 408, -31030, 'tool', true, 'Your user was asked and did not answer in time. Nothing was executed; repeat the call when your user is there.', 'Raise dispatch.questions.ttl_ms if people need longer.'],
  'approve.changed': [200, 409, -31030, 'tool', true, 'While your user was asked, the policy or your credential changed. Nothing was executed; repeat the call.', 'Nothing: what was decided before the change does not count after it.'],
  'approve.unknown': [404, 404, -32602, 'error', false, 'There is no such request of yours.', 'Normal after approve.keep_ms. Many of these for one caller: somebody tries ids that are not theirs.'],
  'approve.too_many': [200, 429, -31030, 'tool', true, 'Too many of your calls wait for approval. Nothing was executed; wait until some are decided.', 'Raise approve.max_pending_per_caller if people can keep up.'],
  'approve.too_large': [200, 413, -31030, 'tool', false, 'The arguments are too long for a person to approve. Nothing was executed; split the call.', 'Raise approve.max_arguments_bytes, if approvers really read so much.'],
  'approve.unavailable': [503, 503, -32603, 'error', false, 'Approvals cannot be looked up, so nothing was executed. Do not retry at once.', 'Look at the store’s disk; the record holds the fault.'],

  'journal.unavailable': [503, 503, -32603, 'error', false, 'The call could not be recorded, so nothing was executed. Do not retry at once.', 'Nothing can be written: see /ready; look at the disk of the audit folder.'],
  'audit.unavailable': [503, 503, -32603, 'error', false, `The outcome could not be recorded, so it is withheld. ${CHECK}`, 'See /ready; look at the disk of the audit folder.'],

  'dispatch.unavailable': [200, 502, -32603, 'tool', true, LATER, 'The server is down or refuses connections; see /ready.'],
  'dispatch.timeout': [200, 504, -32603, 'tool', false, `The server did not answer in time. ${CHECK}`, 'Raise dispatch time-outs for the tool, or look why it is slow.'],
  'dispatch.crashed': [200, 502, -32603, 'tool', false, `The server ended in mid-call. ${CHECK}`, 'Read the server’s stderr in the gateway’s log.'],
  'dispatch.upstream': [200, 502, -32603, 'tool', false, `The server failed. ${CHECK}`, 'The record holds the server’s status.'],
  'dispatch.upstream_auth': [200, 502, -32603, 'tool', false, 'The server refused the gateway’s own credential. Nothing was executed.', 'Renew the credential under dispatch.servers.'],
  'dispatch.bad_answer': [200, 502, -32603, 'tool', false, `The server’s answer is not a valid message. ${CHECK}`, 'Report it to whoever runs the server.'],
  'dispatch.credential': [200, 502, -32603, 'tool', false, 'The gateway has no credential for this server. Nothing was executed.', 'The secret reference cannot be read; the log names it.'],
  'dispatch.egress': [200, 502, -32603, 'tool', false, 'The server’s address is not one the gateway may connect to. Nothing was executed.', 'The name resolved to a refused address; see docs/reference/configuration.md, dispatch.servers.'],
  'dispatch.cancelled': [200, 502, -32603, 'tool', false, `The call was cancelled. ${CHECK}`, 'Nothing.'],
  'dispatch.session': [404, 502, -32600, 'error', false, 'No such session; send initialize again.', 'The server forgot the session; clients open a new one.'],
  'dispatch.translation': [200, 502, -32603, 'tool', false, 'The server and this client speak different protocol versions and this request cannot be carried between them.', 'See docs/limits.md.'],
  'dispatch.state': [200, 400, -32602, 'error', false, 'Unknown or expired cursor, request state or task id.', 'Normal after a while. Many of these for one caller: somebody tries ids that are not theirs.'],
  'dispatch.questions': [200, 429, -31029, 'tool', true, 'Too many of your calls wait for an answer of their user. Answer or cancel some first.', 'Raise dispatch.questions if the use is legitimate.'],
  'dispatch.subscriptions': [200, 429, -31029, 'error', false, 'Too many resources are watched. End some of these subscriptions first.', 'A caller may watch 100 resources per session or stream and 1,000 in all; one server 1,000.'],
  'dispatch.unanswered': [200, 504, -32603, 'tool', false, `The server asked something and got no answer in time. ${CHECK}`, 'Raise dispatch.questions.ttl_ms if people need longer.'],

  'inspect.refused': [200, 502, -32603, 'tool', false, 'The call was executed, but its result is withheld: it carries text that looks like instructions to the model.', 'The record names the findings; see inspect.servers.'],
  'inspect.too_large': [200, 502, -32603, 'tool', false, 'The call was executed, but its result is larger than allowed and cannot be cut. Ask for less.', 'Raise inspect.max_bytes.'],
  'inspect.error': [200, 502, -32603, 'tool', false, 'The call was executed, but its result could not be inspected and is withheld.', 'The log holds the fault.'],

  'gateway.obligation_unmet': [200, 403, -32603, 'tool', false, 'Policy asks for something this gateway could not do. Nothing was executed.', 'The record names the obligation.'],
  'gateway.stage_timeout': [503, 503, -32603, 'error', false, SELF, 'A stage gave no verdict in time; the record names it.'],
  'gateway.cancelled': [200, 499, -32603, 'error', false, 'The client gave up before anything was executed.', 'Nothing.'],
  'gateway.bug': [500, 500, -32603, 'error', false, SELF, 'Report it with the correlation id; the log holds the stack.'],
} as const satisfies Record<string, Row>;

/** The catalogue by code. Retired codes are never reused. */
export const REFUSALS: ReadonlyMap<string, RefusalRow> = new Map(
  Object.entries<Row>(ROWS).map(([code, [mcp, rest, rpc, as, retryable, says, operator]]) => [code, { mcp, rest, rpc, as, retryable, says, operator }]),
);
/** The codes that may be used: `Refusal.code` is typed by it, so an unlisted code does not compile. */
export type RefusalCode = keyof typeof ROWS;
