import { isUtf8 } from 'node:buffer';
import type { Dispatcher } from 'undici';
import type { Allowed } from './address.ts';
import { EgressRefused } from './connect.ts';
import { judgeUrl } from './url.ts';

export interface FetchOptions {
  /** 1 MiB when left out. */
  readonly maxBytes?: number;
  /** What the section `egress` says when left out. */
  readonly allowLoopback?: boolean;
  readonly allowPrivate?: boolean;
}
/** The document behind a URL, parsed. Rejects with `EgressRefused` for what may not be reached, with another error for what failed. */
export type FetchJson = (url: string, signal: AbortSignal, options?: FetchOptions) => Promise<unknown>;

/** The messages name no part of the answer: they go to logs, and the answer is somebody else's. */
export function createFetchJson(timeoutMs: number, byDefault: Allowed, agentFor: (allowed: Allowed) => Dispatcher): FetchJson {
  const agents = new Map<string, Dispatcher>(); // at most four: by what is allowed
  return async (text, signal, options = {}) => {
    const allowed: Allowed = { loopback: options.allowLoopback ?? byDefault.loopback, private: options.allowPrivate ?? byDefault.private };
    const url = judgeUrl(text, allowed);
    const key = `${allowed.loopback} ${allowed.private}`;
    let agent = agents.get(key);
    if (agent === undefined) agents.set(key, (agent = agentFor(allowed)));
    const response = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), // the whole exchange: a server must not hold us by dripping
    });
    return readJson(response, options.maxBytes ?? 1_048_576);
  };
}

async function readJson({ statusCode, headers, body }: Dispatcher.ResponseData, maxBytes: number): Promise<unknown> {
  try {
    // CWE-601, CWE-918: where a redirect leads was declared by nobody.
    if (statusCode >= 300 && statusCode < 400) throw new EgressRefused(`a redirect (${statusCode}) is not followed`);
    if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') throw new Error('the answer is encoded'); // nothing to inflate, no bomb (CWE-409)
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      if (!Buffer.isBuffer(chunk)) throw new Error('not bytes');
      size += chunk.length;
      if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks, size);
    if (!isUtf8(bytes)) throw new Error('not UTF-8');
    return parse(bytes.toString('utf8'));
  } catch (thrown) {
    body.on('error', () => undefined);
    body.destroy();
    throw thrown;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('not JSON'); // the parser's own message quotes the text
  }
}
