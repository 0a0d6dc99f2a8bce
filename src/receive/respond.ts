import type { CallId, Era } from '../call/call.ts';
import type { Json } from '../call/json.ts';
import type { Refusal } from '../call/refusal.ts';
import { REFUSALS, type RefusalCode } from '../call/refusals.ts';

/** What is known of the question when the answer is written; before the body was read, only the first two. */
export interface Asked {
  readonly id: CallId;
  readonly door: 'mcp' | 'rest';
  readonly era: Era;
  readonly method: string;
  /** null: nobody waits for an answer to an id (notifications, streams, unreadable bodies). */
  readonly rpcId: string | number | null;
}
/** An HTTP answer. `headers` is flat, name then value, as `writeHead` takes it. */
export interface Reply {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}
/** A refusal as its caller may see it. */
export interface Told {
  readonly code: RefusalCode;
  readonly status: number;
  readonly rpc: number;
  readonly isTool: boolean;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  /** The request that people are asked about; `url`: where its state is told. */
  readonly approval: { readonly id: string; readonly expiresAt: string; readonly url: string } | null;
  /** The text of the result that asks the caller's user in place of a refusal. */
  readonly asks: string | null;
}

/**
 * Looks the refusal up in the catalogue. What policy hides looks exactly like what does not exist, at list and at call, or the
 * difference would tell what there is (CWE-204; ToolHive #4374): no own code, no added sentence, no hint when to come back.
 */
export function tell(refusal: Refusal, door: 'mcp' | 'rest', method: string): Told {
  const isHidden = refusal.code.startsWith('authorize.') || refusal.code === 'resolve.unknown_tool' || refusal.code === 'resolve.unknown_method';
  const code = isHidden ? hiddenAs(method) : refusal.code;
  const row = REFUSALS.get(code) ?? REFUSALS.get('gateway.bug')!;
  const noun = isHidden ? NOUNS.get(method) : undefined;
  const says = noun === undefined ? row.says : `Unknown ${noun}, or not one this credential may use.`;
  return {
    code,
    status: door === 'rest' ? row.rest : row.mcp,
    rpc: row.rpc,
    isTool: row.as === 'tool' && method === 'tools/call',
    message: isHidden || refusal.tell === undefined ? says : `${says} ${refusal.tell}`,
    retryable: row.retryable,
    retryAfterMs: isHidden || refusal.retryAfterMs === undefined ? null : Math.max(0, Math.ceil(refusal.retryAfterMs)),
    approval: isHidden || refusal.approval === undefined ? null : { id: refusal.approval.id, expiresAt: new Date(refusal.approval.expiresAt).toISOString(), url: `/approvals/${refusal.approval.id}` },
    asks: isHidden || door === 'rest' ? null : (refusal.asks ?? null),
  };
}
const NOUNS: ReadonlyMap<string, string> = new Map([['prompts/get', 'prompt'], ['resources/read', 'resource']]);
const hiddenAs = (method: string): RefusalCode => (method === 'tools/call' || NOUNS.has(method) ? 'resolve.unknown_tool' : 'resolve.unknown_method');

/** The whole HTTP answer to a refusal at the MCP doors. `data` is added to the error's data (versions, for example). */
export function refusalReply(asked: Asked, refusal: Refusal, metadataUrl: string | null, data?: Json): Reply {
  const told = tell(refusal, asked.door, asked.method);
  return { status: told.status, headers: refusalHeaders(told, refusal, metadataUrl), body: Buffer.from(refusalMessage(asked, told, data)) };
}

/** The JSON-RPC message: a tool result the model can learn from, or an error. */
export function refusalMessage(asked: Asked, told: Told, data?: Json): string {
  const wait = told.retryAfterMs === null ? '' : `,"retry_after_ms":${told.retryAfterMs}`;
  const waits = told.approval === null ? '' : `,"approval_id":"${told.approval.id}","expires_at":"${told.approval.expiresAt}"`;
  const about = `"code":"${told.code}","correlation_id":"${asked.id}","retryable":${told.retryable}${wait}${waits}`;
  const id = asked.rpcId === null ? '' : `"id":${JSON.stringify(asked.rpcId)},`;
  // Only the modern era knows such a result; elsewhere it would read as a success (MCP 2026-07-28 MRTR).
  if (told.asks !== null && asked.rpcId !== null && asked.era === 'modern') return `{"jsonrpc":"2.0",${id}"result":${told.asks}}`;
  if (told.isTool && asked.rpcId !== null) {
    const modern = asked.era === 'modern' ? ',"resultType":"complete"' : '';
    return `{"jsonrpc":"2.0",${id}"result":{"content":[{"type":"text","text":${JSON.stringify(told.message)}}],"isError":true${modern},"_meta":{"sallyport/refusal":{${about}}}}}`;
  }
  const more = data === undefined ? '' : `,${JSON.stringify(data).slice(1, -1)}`;
  return `{"jsonrpc":"2.0",${id}"error":{"code":${told.rpc},"message":${JSON.stringify(told.message)},"data":{${about}${more}}}}`;
}

/** Challenge and waiting time, where the status wants them (RFC 6750 section 3, RFC 9110 section 10.2.3). */
export function refusalHeaders(told: Told, refusal: Refusal, metadataUrl: string | null): string[] {
  const headers = ['content-type', 'application/json'];
  if (told.status === 401) headers.push('www-authenticate', challenge(refusal.code, metadataUrl));
  if (told.retryAfterMs !== null && (told.status === 429 || told.status === 503 || isPending(told))) headers.push('retry-after', String(Math.max(1, Math.ceil(told.retryAfterMs / 1000))));
  if (isPending(told)) headers.push('location', told.approval.url);
  return headers;
}
/** Taken, to be looked at by people: where its state is told stands in `Location` (RFC 9110 section 15.3.3). */
export const isPending = (told: Told): told is Told & { readonly approval: NonNullable<Told['approval']> } => told.status === 202 && told.approval !== null;
/** Without a credential there is no error to name; with a wrong one all wrongs look alike. */
function challenge(code: RefusalCode, metadataUrl: string | null): string {
  const parts = [code === 'authenticate.missing' ? '' : 'error="invalid_token"', metadataUrl === null ? '' : `resource_metadata="${metadataUrl}"`].filter((p) => p !== '');
  return parts.length === 0 ? 'Bearer' : `Bearer ${parts.join(', ')}`;
}
