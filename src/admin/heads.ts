/** The request headers that are read, and no others: no cookie, no forwarding header is ever believed. */
export interface Heads {
  host: string | null;
  origin: string | null;
  authorization: string | null;
  'content-type': string | null;
  'content-length': string | null;
  'content-encoding': string | null;
  'transfer-encoding': string | null;
  'user-agent': string | null;
  'sec-fetch-site': string | null;
  'sallyport-timestamp': string | null;
  'sallyport-nonce': string | null;
  'sallyport-signature': string | null;
  /** The first header that stands twice, or what else is wrong. */
  fault: string | null;
}
export const MAX_HEADERS = 64;

/** Reads the raw list: of two equal headers one program takes the first, another the last (CWE-436, CWE-444), so two are refused. */
export function readHeads(raw: readonly string[]): Heads {
  const heads: Heads = {
    host: null, origin: null, authorization: null, 'content-type': null, 'content-length': null, 'content-encoding': null, 'transfer-encoding': null,
    'user-agent': null, 'sec-fetch-site': null, 'sallyport-timestamp': null, 'sallyport-nonce': null, 'sallyport-signature': null, fault: null,
  };
  if (raw.length > 2 * MAX_HEADERS) heads.fault = 'too many headers';
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (!isKnown(heads, name)) continue;
    if (heads[name] === null) heads[name] = raw[i + 1] ?? '';
    else heads.fault ??= name;
  }
  return heads;
}
const isKnown = (heads: Heads, name: string): name is Exclude<keyof Heads, 'fault'> => name !== 'fault' && Object.hasOwn(heads, name);

/** A form or text/plain body is what a web page can send without asking (CSRF). */
export const isJson = (contentType: string | null): boolean => contentType !== null && /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(contentType);
export const isForm = (contentType: string | null): boolean => contentType !== null && /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i.test(contentType);
/** True when the browser says the form was on our own page, or the client is no browser. */
export const isOwnPage = (heads: Heads): boolean => heads['sec-fetch-site'] === null || heads['sec-fetch-site'] === 'same-origin';
