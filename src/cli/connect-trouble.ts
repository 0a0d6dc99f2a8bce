/** Why a request has no answer of the gateway's own. */
export interface Trouble {
  readonly code: 'key' | 'forbidden' | 'endpoint' | 'session' | 'busy' | 'unavailable' | 'refused' | 'unreachable' | 'lost' | 'bad_answer' | 'line';
  readonly status: number | null;
  /** What happened and what to do. */
  readonly text: string;
  /** none: the call was not executed. */
  readonly effect: 'none' | 'unknown';
}
/** Ends an exchange. */
export class Broken extends Error {
  readonly trouble: Trouble;
  constructor(trouble: Trouble) {
    super(trouble.text);
    this.trouble = trouble;
  }
}

/** Outside -32768…-32000, which JSON-RPC and MCP keep for themselves; next to the gateway's own -31001, -31029 and -31030. */
const CODE = -31_100;
const UNKNOWN = 'It is not known whether the call was executed: look before you repeat it.';

/** The JSON-RPC error for an id, or without one when it could not be read. */
export function errorLine(idText: string | null, trouble: Trouble): string {
  const rpc = trouble.code === 'line' ? -32_600 : CODE; // Invalid Request
  const data = { code: `connect.${trouble.code}`, effect: trouble.effect, retryable: trouble.code === 'busy' || trouble.code === 'unavailable', ...(trouble.status === null ? {} : { status: trouble.status }) };
  return `{"jsonrpc":"2.0",${idText === null ? '' : `"id":${idText},`}"error":${JSON.stringify({ code: rpc, message: trouble.text, data })}}`;
}

/** What an HTTP status without an answer to our id means. `said`: what the body had to say, if anything. */
export function troubleOfStatus(status: number, url: string, said: string | null): Trouble {
  const words = said === null ? '' : ` It says: ${said}`;
  const none = (code: Trouble['code'], text: string): Trouble => ({ code, status, text: `${text}${words}`, effect: 'none' });
  if (status === 401) return none('key', 'The gateway does not accept the key (401). Look at --key-file or SALLYPORT_KEY; `sallyport key list` at the gateway shows which keys are valid.');
  if (status === 403) return none('forbidden', 'The gateway refuses this request (403).');
  if (status === 404) return none('endpoint', `Nothing is served at ${url} (404). Look at --url: it ends in /mcp, or in /s/<server>/mcp for one server.`);
  if (status === 429) return none('busy', 'Too many requests (429). Wait before you try again.');
  if (status === 503) return none('unavailable', 'The gateway cannot work at present (503). Try again shortly; its /ready page says why.');
  if (status >= 500) return { code: 'unavailable', status, text: `The gateway failed (${status}). ${UNKNOWN}${words}`, effect: 'unknown' };
  if (status >= 300 && status < 400) return none('endpoint', `${url} redirects (${status}), and redirects are not followed, because they would carry the key elsewhere. Look at --url.`);
  if (status >= 400) return none('refused', `The gateway refuses the request (${status}).`);
  return { code: 'bad_answer', status, text: `What came from ${url} is no answer to this request. ${UNKNOWN}${words}`, effect: 'unknown' };
}

/** The connection could not be made, or broke. */
export function troubleOfError(error: unknown, origin: string): Trouble {
  if (error instanceof Broken) return error.trouble;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const name = error instanceof Error ? error.name : '';
  const why = (error instanceof Error && error.message !== '' ? error.message : code || String(error)).slice(0, 200);
  if (UNSENT.has(code) || /egress/i.test(name)) {
    return { code: 'unreachable', status: null, text: `No connection to ${origin} (${why}). Nothing was executed. Is the gateway running there (sallyport serve, sallyport demo)?`, effect: 'none' };
  }
  return { code: 'lost', status: null, text: `The connection to ${origin} broke (${why}). ${UNKNOWN}`, effect: 'unknown' };
}
/** Before a byte was sent. */
const UNSENT: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_CERT_ALTNAME_INVALID']);

export const ENDED: Trouble = { code: 'lost', status: null, text: `The stream ended before the answer. ${UNKNOWN}`, effect: 'unknown' };
export const TOO_LARGE: Trouble = { code: 'bad_answer', status: null, text: `The answer is longer than 16 MiB. ${UNKNOWN}`, effect: 'unknown' };
export const NO_MESSAGE: Trouble = { code: 'line', status: null, text: 'A line was no JSON-RPC message (one object, UTF-8, no batch).', effect: 'none' };
export const LONG_LINE: Trouble = { code: 'line', status: null, text: 'A line was longer than 16 MiB.', effect: 'none' };
export const TOO_MANY: Trouble = { code: 'busy', status: null, text: 'Too many requests are waiting for their answers. Nothing was executed.', effect: 'none' };
export const OTHER_VERSION: Trouble = { code: 'session', status: null, text: 'The gateway forgot the session and now speaks another protocol version. Nothing was executed. Start the client’s connection again.', effect: 'none' };
export const NO_HELLO: Trouble = { code: 'session', status: 404, text: 'The gateway does not know the session, and there was no initialize to open it again. Nothing was executed. Start the client’s connection again.', effect: 'none' };
