import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Approved, Known, Outcome, SafeResult } from '../../../src/call/call.ts';
import type { Principal } from '../../../src/call/principal.ts';
import type { RefusalCode } from '../../../src/call/refusals.ts';
import type { Risk, Tool } from '../../../src/call/target.ts';
import { auditConfig } from '../../../src/audit/config.ts';
import type { AuditConfig } from '../../../src/audit/config.ts';
import { openAudit } from '../../../src/audit/index.ts';
import type { Audit, AuditRecord } from '../../../src/audit/index.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { newId } from '../../../src/lib/ids.ts';

export const principal: Principal = {
  id: 'key:k1', kind: 'api_key', caller: 'research', team: 'search', user: null, workspace: 'w1', environment: 'prod', agent: 'a"1', client: null,
  scopes: ['files:read'], tenant: 'acme', groups: ['sre'], roles: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null,
};
const ruleIds = ['defaults.read'] as const;
export const toolOf = (risk: Risk): Tool => ({ server: 'files', name: `${risk}_file`, id: `files__${risk}_file`, risk, digest: 'd', definition: '{}', inputSchema: {} });
const tools = new Map<Risk, Tool>();
const toolFor = (risk: Risk): Tool => {
  let tool = tools.get(risk);
  if (tool === undefined) tools.set(risk, (tool = toolOf(risk)));
  return tool;
};

/** A call as it arrives at the journal. */
export function callOf(risk: Risk = 'read', argumentsText = '{"path":"/tmp/a.txt"}', over: Partial<Approved> = {}): Approved {
  const tool = toolFor(risk);
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool.name}","arguments":${argumentsText}}}`;
  const made: Omit<Approved, 'id' | 'input'> = {
    receivedAt: Date.now(), door: 'mcp', server: 'files', era: 'modern', version: '2026-07-28',
    message: { kind: 'request', method: 'tools/call', rpcId: 1, params: { name: tool.name }, bytes: Buffer.from(text), text, argumentsText, inexact: [] },
    name: tool.name, sessionId: null, lastEventId: null, mirrored: [], presented: { authorization: null, apiKey: null, remoteAddress: '127.0.0.1' },
    modelRequestId: null, signal: new AbortController().signal, side: { event: () => true, detached: () => undefined },
    principal, session: null,
    target: { id: tool.id, server: tool.server, method: 'tools/call', name: tool.name, risk, tool, lane: 'mirror', timeoutMs: 30_000 },
    decision: { effect: 'allow', ruleIds, policyVersion: 'v1', obligations: [] },
    permit: { release: () => undefined }, approvalId: null,
  };
  return { ...made, id: newId(), input: { value: {}, text: argumentsText }, ...over } as Approved;
}
export const resultOf = (text = '{"jsonrpc":"2.0","id":1,"result":{}}', findings: readonly string[] = []): Outcome => ({
  effect: 'done',
  result: {
    status: 200, bytes: Buffer.from(text), event: null, session: null, success: true, summary: 'one file', classification: 'internal', findings, effect: 'done', warnings: [],
  } as unknown as SafeResult,
});
export const refusalOf = (code: RefusalCode, note?: string): Outcome => ({ effect: 'none', refusal: { code, ...(note === undefined ? {} : { note }) } });

export const newFolder = (): string => join(mkdtempSync(join(tmpdir(), 'sallyport-audit-')), 'audit');
export interface OpenOptions {
  readonly config?: Partial<AuditConfig>;
  readonly clock?: Clock;
  readonly redact?: (text: string) => string;
  readonly log?: (message: string, fields?: object) => void;
}
export function openIn(dir: string, options: OpenOptions = {}): Promise<Audit> {
  const { config = {}, clock = systemClock, redact = (text: string) => text, log = () => undefined } = options;
  return openAudit({ ...auditConfig.parse({}), ...config }, { dir, clock, redact, log });
}
/** Intent and outcome, as the corridor does it. */
export async function runCall(audit: Audit, call: Approved = callOf(), outcome: Outcome = resultOf()): Promise<void> {
  const verdict = await audit.journal.run(call);
  if ('stop' in verdict) throw new Error(verdict.stop.code);
  await audit.finish(Object.assign(call, verdict.go) as Known, outcome);
}
export const segmentsOf = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('audit-')).toSorted();
export const linesOf = (dir: string): string[] => segmentsOf(dir).flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1));
export const recordsOf = (dir: string): AuditRecord[] => linesOf(dir).map((line) => JSON.parse(line) as AuditRecord);
