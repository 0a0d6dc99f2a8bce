import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Refusal } from '../../src/call/refusal.ts';
import { createPipeUpstream } from '../../src/dispatch/pipe/upstream.ts';
import { stdioKind, type StdioConfig } from '../../src/dispatch/stdio/upstream.ts';
import { type RequestOptions, type Upstream, UpstreamFault } from '../../src/dispatch/upstream.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { sandboxConfig } from '../../src/sandbox/config.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/index.ts';

export const root = new URL('../..', import.meta.url).pathname;
const open: { upstream: Upstream; box: Sandbox }[] = [];
export async function closeAll(): Promise<void> {
  for (const { upstream, box } of open.splice(0)) {
    await upstream.close();
    await box.close();
  }
}

export interface StdioRig {
  readonly upstream: Upstream;
  readonly logged: string[];
  readonly up: () => Promise<void>;
  readonly ask: (method: string, params?: object | string, more?: Partial<RequestOptions>) => Promise<{ result: string | null; error: string | null }>;
}
/** A stdio server in a sandbox of its own. */
export function rig(command: readonly string[], config: Partial<StdioConfig> = {}, limits: object = {}, more: { readonly maxProcesses?: number; readonly idleMs?: number } = {}): StdioRig {
  const logged: string[] = [];
  const log = (text: string, facts?: object): void => void logged.push(`${text} ${JSON.stringify(facts)}`);
  const box = createSandbox({ config: sandboxConfig.parse({ grace_ms: 300, ...limits }), clock: systemClock, env: process.env });
  const deps = {
    spawn: box.spawn, clock: systemClock, cwd: () => root, log, maxProcesses: more.maxProcesses ?? 16,
    secret: async (ref: string) => {
      if (ref === 'env:GOOD') return 'secret-value';
      throw new Error(`${ref} is not set`);
    },
  };
  const kind = stdioKind('s', { command, env: {}, era: 'auto', processes: 'shared', ...config }, deps);
  const upstream = createPipeUpstream('s', { ...kind, idleMs: more.idleMs ?? kind.idleMs }, deps);
  open.push({ upstream, box });
  upstream.start();
  const up = async (): Promise<void> => {
    for (let i = 0; i < 1_200 && !upstream.state().ok; i++) await sleep(10);
    expect(upstream.state(), logged.slice(-5).join('\n')).toEqual({ ok: true });
  };
  const ask: StdioRig['ask'] = (method, params = {}, more = {}) => upstream.request(method, typeof params === 'string' ? params : JSON.stringify(params), {
    principalId: 'p', capabilities: '{}', logLevel: null, onQuestion: null, signal: new AbortController().signal, timeoutMs: 5_000, maxBytes: 16_777_216, onNotification: () => undefined, progressToken: false, ...more,
  });
  return { upstream, logged, up, ask };
}
export async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  const thrown = await work.then(() => null, (e: unknown) => e);
  expect(thrown).toBeInstanceOf(UpstreamFault);
  return (thrown as UpstreamFault).refusal;
}
/** A legacy server in a few lines; `body` handles `m`, a parsed message, with `send(object)`, `raw(text)` and `ok(result)` at hand. */
export const server = (body: string, hello = ''): string[] => [process.execPath, '-e', `
  const raw = (t) => process.stdout.write(t);
  const send = (o) => raw(JSON.stringify({ jsonrpc: '2.0', ...o }) + '\\n');
  let buf = '';
  ${hello}
  process.stdin.on('end', () => process.exit(0));
  process.stdin.on('data', (d) => { buf += d; let i; while ((i = buf.indexOf('\\n')) >= 0) { const line = buf.slice(0, i); buf = buf.slice(i + 1); on(JSON.parse(line), line); } });
  function on(m, line) {
    const ok = (result) => send({ id: m.id, result });
    if (m.method === 'initialize') return ok({ protocolVersion: '2025-06-18', capabilities: { tools: {}, logging: {}, resources: { subscribe: true } }, serverInfo: { name: 'h', version: '1' }, instructions: 'hi' });
    if (m.method === 'server/discover') return send({ id: m.id, error: { code: -32601, message: 'Method not found' } });
    if (m.method === 'notifications/initialized') return;
    ${body}
  }`];
