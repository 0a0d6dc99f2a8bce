/** The request headers the gateway reads, and no others: what is not here is never believed (X-Forwarded-*, Forwarded, X-HTTP-Method-Override, X-Original-URL, …). */
export interface Heads {
  host: string | null;
  origin: string | null;
  accept: string | null;
  apiKey: string | null;
  authorization: string | null;
  contentType: string | null;
  contentLength: string | null;
  contentEncoding: string | null;
  transferEncoding: string | null;
  version: string | null;
  method: string | null;
  name: string | null;
  sessionId: string | null;
  lastEventId: string | null;
  modelRequestId: string | null;
  requestedHeaders: string | null;
  /** `Mcp-Param-*` and `Mcp-Name`, lower-case names. */
  mirrored: (readonly [string, string])[];
  /** The name of the first header that stands twice though it must not, or a sentence on what else is wrong; null when all is well. */
  fault: string | null;
}
type Single = Exclude<keyof Heads, 'mirrored' | 'fault'>;

/** By length first: most headers are sorted out by one number. */
const NAMES: ReadonlyMap<number, readonly (readonly [string, Single])[]> = byLength([
  ['host', 'host'], ['origin', 'origin'], ['accept', 'accept'], ['x-api-key', 'apiKey'], ['authorization', 'authorization'],
  ['content-type', 'contentType'], ['content-length', 'contentLength'], ['content-encoding', 'contentEncoding'],
  ['transfer-encoding', 'transferEncoding'], ['mcp-protocol-version', 'version'], ['mcp-method', 'method'], ['mcp-name', 'name'],
  ['mcp-session-id', 'sessionId'], ['last-event-id', 'lastEventId'], ['x-model-request-id', 'modelRequestId'],
  ['access-control-request-headers', 'requestedHeaders'],
]);
function byLength(rows: [string, Single][]): Map<number, [string, Single][]> {
  const table = new Map<number, [string, Single][]>();
  for (const row of rows) table.set(row[0].length, [...(table.get(row[0].length) ?? []), row]);
  return table;
}

/** Headers beyond so many are refused: Node would drop the rest silently, and with them perhaps a second Authorization. */
export const MAX_HEADERS = 128;
const NO_MIRRORED: (readonly [string, string])[] = [];

/**
 * Reads `rawHeaders`, because the merged view hides what this looks for: of two equal headers one program takes the first,
 * another the last, a third joins them (CWE-436, CWE-444). `accept` alone may stand twice: it is a list (RFC 9110 section 5.3).
 */
export function readHeaders(raw: readonly string[]): Heads {
  const heads: Heads = {
    host: null, origin: null, accept: null, apiKey: null, authorization: null, contentType: null, contentLength: null,
    contentEncoding: null, transferEncoding: null, version: null, method: null, name: null, sessionId: null, lastEventId: null,
    modelRequestId: null, requestedHeaders: null, mirrored: NO_MIRRORED, fault: null,
  };
  if (raw.length >= 2 * MAX_HEADERS) heads.fault = 'too many headers';
  for (let i = 0; i + 1 < raw.length; i += 2) readOne(heads, raw[i]!, raw[i + 1]!);
  return heads;
}

function readOne(heads: Heads, rawName: string, value: string): void {
  const first = rawName.charCodeAt(0) | 32;
  const rows = NAMES.get(rawName.length);
  if (rows === undefined && first !== 109) return;
  const name = rawName.toLowerCase();
  if (rows !== undefined) {
    for (const [known, field] of rows) {
      if (known !== name) continue;
      const before = heads[field];
      if (before === null) heads[field] = value;
      else if (field === 'accept') heads.accept = `${before}, ${value}`;
      else heads.fault ??= name;
      if (field === 'name') mirror(heads, name, value);
      return;
    }
  }
  if (name.startsWith('mcp-')) mirror(heads, name, value);
}

/** Every `mcp-*` header may stand once only: `Mcp-Param-*` is what other gateways on the way decide by. */
function mirror(heads: Heads, name: string, value: string): void {
  if (heads.mirrored === NO_MIRRORED) heads.mirrored = [];
  if (heads.mirrored.some(([other]) => other === name)) heads.fault ??= name;
  heads.mirrored.push([name, value]);
}

/** True for JSON in UTF-8, the only body taken. A form or text/plain body is what a web page can send without asking (CSRF, CVE-2026-33252). */
export function isJson(contentType: string | null): boolean {
  return contentType === 'application/json' || (contentType !== null && /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-8"?[ \t]*)?$/i.test(contentType));
}

/** True when the Accept header admits `type`, for example `text/event-stream` (RFC 9110 section 12.5.1). Absent admits nothing: MCP clients must send it. */
export function accepts(accept: string | null, type: string): boolean {
  if (accept === null) return false;
  const range = `${type.slice(0, type.indexOf('/'))}/*`;
  return accept.split(',').some((part) => {
    const [media = '', ...params] = part.split(';').map((p) => p.trim().toLowerCase());
    return (media === type || media === range || media === '*/*') && !params.some((p) => /^q=0(?:\.0*)?$/.test(p));
  });
}
/** What nearly every client sends; saves taking it apart. */
export const USUAL_ACCEPT = 'application/json, text/event-stream';
