import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { META, type Launched, type Reply } from './gateway.ts';

const STDIO = fileURLToPath(new URL('fixture/stdio.ts', import.meta.url));

/** A policy that is in nobody's way: every caller may do everything, as often as they like. For tests about something else. */
export const OPEN = {
  authorize: { rules: [{ id: 'open', why: 'A test about something else', effect: 'allow', servers: ['*'], classes: ['discovery', 'read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false }] },
  limit: { rates: { tools: { '*': '1000000/minute' }, classes: { discovery: '1000000/minute' }, callers: { '*': '1000000/minute' } }, concurrency: { default: 10_000, streams_per_caller: 1_000 } },
};

/** The stdio fixture as a server of the gateway; what it does stands in `log`. */
export const stdioFixture = (log: string, jitterMs = 0): { readonly command: readonly string[] } => ({ command: [process.execPath, STDIO, log, String(jitterMs)] });
/** What the stdio fixture wrote: `[tool, arguments]`, and `['pid', number]` of its processes. */
export function stdioLog(log: string): (readonly [string, unknown])[] {
  try {
    return readFileSync(log, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as [string, unknown]);
  } catch {
    return [];
  }
}

/** Waits until `holds` says true; fails the test with `what` when it does not within `ms`. Returns how long it took, ms. */
export async function until(what: string, ms: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
  return performance.now() - start;
}

export const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
/** Answers 200 at `/ready`. */
export const isReady = async (gateway: Launched): Promise<boolean> => (await fetch(`${gateway.url}/ready`)).status === 200;

/** A conversation of the 2025-11-25 era. */
export interface Talk {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly send: (message: object, headers?: Readonly<Record<string, string>>) => Promise<Reply>;
  readonly call: (id: number | string, tool: string, args: object) => Promise<Reply>;
}
/** Opens one: `initialize`, `notifications/initialized`. */
export async function openTalk(gateway: Launched, key: string, path: string): Promise<Talk> {
  const credential = { 'x-api-key': gateway.keys[key] ?? key };
  const hello = await gateway.post(path, { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } } }, credential);
  const id = hello.headers.get('mcp-session-id');
  if (id === null) throw new Error(`initialize: ${hello.status} ${hello.text}`);
  const headers = { ...credential, 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' };
  const send: Talk['send'] = (message, more = {}) => gateway.post(path, { jsonrpc: '2.0', ...message }, { ...headers, ...more });
  await send({ method: 'notifications/initialized' });
  return { id, headers, send, call: (id, name, args) => send({ id, method: 'tools/call', params: { name, arguments: args } }) };
}

/** Opens an event stream and tells when it has ended. */
export async function openStream(url: string, init: { readonly method: 'GET' | 'POST'; readonly headers: Readonly<Record<string, string>>; readonly body?: string }): Promise<{ readonly status: number; readonly ended: Promise<void>; readonly close: () => void }> {
  const stop = new AbortController();
  const answer = await fetch(url, { ...init, signal: stop.signal });
  const ended = answer.text().then(() => undefined, () => undefined);
  return { status: answer.status, ended, close: () => stop.abort() };
}
/** Headers and body of a modern `subscriptions/listen`. */
export const listenRequest = (key: string): { readonly method: 'POST'; readonly headers: Record<string, string>; readonly body: string } => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-api-key': key, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 'l', method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, _meta: META } }),
});
