import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Limited } from '../../src/call/call.ts';
import type { ApprovalTerms, Obligation } from '../../src/call/decision.ts';
import type { JsonObject } from '../../src/call/json.ts';
import type { Principal } from '../../src/call/principal.ts';
import { approveConfig } from '../../src/approve/config.ts';
import { type Approve, type ApproveDeps, type Approver, createApprove } from '../../src/approve/index.ts';
import { storeConfig } from '../../src/store/config.ts';
import { openStore, type Store } from '../../src/store/index.ts';

export const HOUR = 3_600_000;
export interface Rig {
  readonly folder: string;
  readonly approve: Approve;
  readonly store: Store;
  /** Events of the audit, oldest first. */
  readonly notes: { event: string; id: string | null; details: JsonObject }[];
  /** Credentials of approvers as they are now. */
  readonly approvers: Map<string, Approver>;
  readonly time: { now: number; steady: number };
  /** Lets time pass. */
  readonly pass: (ms: number) => void;
  readonly judge: (call: Limited) => Promise<string>;
  readonly close: () => Promise<void>;
}
export const person = (user: string, groups: readonly string[] = ['ops'], more: Partial<Approver> = {}): Approver => ({ id: `admin:${user}`, user, groups, ...more });

/** The room over a real store in a temporary folder, with hands of the clock to turn. */
export async function openRig(config: object = {}, deps: Partial<ApproveDeps> & { readonly folder?: string; readonly time?: Rig['time'] } = {}): Promise<Rig> {
  const folder = deps.folder ?? join(mkdtempSync(join(tmpdir(), 'approve-')), 'data');
  const time = deps.time ?? { now: 1_800_000_000_000, steady: 0 };
  const clock = { now: () => time.now, monotonic: () => time.steady };
  const store = await openStore(storeConfig.parse({ folder }), { clock });
  const notes: Rig['notes'] = [];
  const approvers = new Map(['ann', 'ben', 'cid'].map((user) => [`admin:${user}`, person(user)]));
  approvers.set('admin:eve', person('eve', ['leads']));
  const approve = createApprove(approveConfig.parse({ groups: ['ops'], ...config }), {
    store, clock, log: () => undefined, checkTicket: null, approverNow: (id) => approvers.get(id) ?? null,
    note: (event, fields) => Promise.resolve(void notes.push({ event, id: fields.approval_id, details: fields.tool_input as JsonObject })),
    compileNarrowing: ({ max }) => {
      if (typeof max !== 'number') throw new Error('say max');
      return (text) => ((JSON.parse(text) as { n: number }).n <= max ? null : `n up to ${max}`);
    },
    ...deps,
  });
  return {
    folder, approve, store, notes, approvers, time,
    pass: (ms) => void ((time.now += ms), (time.steady += ms)),
    judge: async (call) => {
      const verdict = await approve.stage.run(call);
      return 'stop' in verdict ? verdict.stop.code : `go ${String(verdict.go.approvalId === null ? null : verdict.go.approvalId.split(':').length > 1 ? 'confirmed' : 'approved')} ${verdict.met?.join() ?? ''}`;
    },
    close: async () => {
      await approve.close();
      await store.close();
    },
  };
}
export const removeFolder = (rig: Rig): void => rmSync(join(rig.folder, '..'), { recursive: true, force: true });

export const approval = (terms: Partial<ApprovalTerms> = {}): Obligation => ({ id: 'a', by: 'approve', kind: 'approval', why: 'moves money', groups: [], quorum: 1, escalate: null, expiresMs: null, ...terms });

export interface CallParts {
  readonly args?: string;
  readonly principal?: Partial<Principal>;
  readonly tool?: { readonly name?: string; readonly digest?: string };
  readonly policy?: string;
  readonly duties?: readonly Obligation[];
  readonly params?: JsonObject;
}
/** A call as it comes to the stage. */
export function callOf({ args = '{"n":1}', principal = {}, tool = {}, policy = 'v1', duties = [approval()], params = {} }: CallParts = {}): Limited {
  const name = tool.name ?? 'pay';
  return {
    id: '0190-call', message: { kind: 'request', method: 'tools/call', rpcId: 1, params: { name, arguments: JSON.parse(args) as JsonObject, ...params }, argumentsText: args, inexact: [] },
    principal: {
      id: 'key:k1', kind: 'api_key', caller: 'bot', user: null, team: null, workspace: null, environment: 'prod', agent: null, client: null, tenant: null, groups: [], roles: [],
      scopes: [], allowedTools: null, deniedTools: [], confirmTools: [], tokenAudience: null, expiresAt: null, ...principal,
    },
    target: { id: `bank__${name}`, server: 'bank', method: 'tools/call', name, risk: 'write', tool: { digest: tool.digest ?? 'd1' }, lane: 'own', timeoutMs: 1 },
    session: null, decision: { effect: 'allow', ruleIds: ['r1'], policyVersion: policy, obligations: duties }, input: { value: JSON.parse(args) as JsonObject, text: args },
  } as unknown as Limited;
}
