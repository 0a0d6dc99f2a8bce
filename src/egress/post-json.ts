import type { Dispatcher } from 'undici';
import type { Allowed } from './address.ts';
import { EgressRefused } from './connect.ts';
import type { FetchOptions } from './fetch-json.ts';
import { judgeUrl } from './url.ts';

/** Sends a JSON text and gives the status of an answer between 200 and 299. Rejects with `EgressRefused` for what may not be reached, with another error for what failed. */
export type PostJson = (url: string, body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal, options?: Omit<FetchOptions, 'maxBytes'>) => Promise<number>;

/** The answer's body is dropped unread, at most 64 KiB of it: nobody here wants it. The messages name no part of the URL, which may hold a token. */
export function createPostJson(timeoutMs: number, byDefault: Allowed, agentFor: (allowed: Allowed) => Dispatcher): PostJson {
  const agents = new Map<string, Dispatcher>(); // at most four: by what is allowed
  return async (text, body, headers, signal, options = {}) => {
    const allowed: Allowed = { loopback: options.allowLoopback ?? byDefault.loopback, private: options.allowPrivate ?? byDefault.private };
    const url = judgeUrl(text, allowed);
    const key = `${allowed.loopback} ${allowed.private}`;
    let agent = agents.get(key);
    if (agent === undefined) agents.set(key, (agent = agentFor(allowed)));
    const { statusCode, body: answer } = await agent.request({
      origin: url.origin, path: url.pathname + url.search, method: 'POST', body,
      headers: { ...headers, 'content-type': 'application/json' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), // the whole exchange
    });
    answer.on('error', () => undefined);
    await answer.dump({ limit: 65_536 }).catch(() => undefined);
    // CWE-601, CWE-918: where a redirect leads was declared by nobody.
    if (statusCode >= 300 && statusCode < 400) throw new EgressRefused(`a redirect (${statusCode}) is not followed`);
    if (statusCode < 200 || statusCode > 299) throw new Error(`status ${statusCode}`);
    return statusCode;
  };
}
