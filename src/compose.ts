import { mkdirSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { env } from 'node:process';
import type { Known, Outcome, Resolved } from './call/call.ts';
import type { Allow } from './call/decision.ts';
import type { JsonObject } from './call/json.ts';
import type { Principal } from './call/principal.ts';
import type { Session } from './call/session.ts';
import type { Target, Tool } from './call/target.ts';
import { createAdmin, createAdminKeys } from './admin/index.ts';
import { type Approve, type CheckTicket, type CompileNarrowing, createApprove } from './approve/index.ts';
import { type EarlyRefusal, openAudit, recordAdminActs } from './audit/index.ts';
import { createAuthenticate, createKeyStore } from './authenticate/index.ts';
import { argumentsSchema, explainArguments } from './authorize/arguments/index.ts';
import { createGrants } from './authorize/grants/index.ts';
import { createAuthorize, type Place } from './authorize/index.ts';
import { openPolicy } from './authorize/policy/index.ts';
import { authorizeDrafts, type Config } from './config/index.ts';
import { createDispatch, createStdioUpstream } from './dispatch/index.ts';
import { createEgress, type Egress } from './egress/index.ts';
import { createInspect } from './inspect/index.ts';
import { systemClock, type Clock } from './lib/clock.ts';
import { knowNames } from './lib/person.ts';
import { createLimit } from './limit/index.ts';
import type { Log } from './observe/index.ts';
import { handleCall, type Finish, type Stages } from './pipeline.ts';
import { createReceive } from './receive/index.ts';
import { createResolve, type Resolve } from './resolve/index.ts';
import { createSandbox, type SpawnServer } from './sandbox/index.ts';
import { createSecrets, ownKey, type Secrets } from './secrets/index.ts';
import { openStore } from './store/index.ts';
import { createValidate } from './validate/index.ts';

export interface GatewayOptions {
  readonly config: Config;
  /** Folder that relative `file:` references start from. */
  readonly baseDir: string;
  readonly dataDir: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** Told of every call that ended, after its record was written. */
  readonly onCall?: (known: Known, outcome: Outcome, latencyMs: number) => void;
  /** The same for what receive/ refused before there was a call. */
  readonly onRefused?: (early: EarlyRefusal) => void;
}
export interface Gateway {
  readonly listen: () => Promise<{ readonly url: string; readonly port: number; /** Where people decide; null: nowhere is configured. */ readonly admin: { readonly url: string; readonly port: number } | null }>;
  readonly approvals: Approve['approvals'];
  /** `notes`: what an operator should know though all works. */
  readonly health: () => { readonly ready: boolean; readonly causes: readonly string[]; readonly notes: readonly string[]; readonly servers: Record<string, unknown> };
  /** Looks at the policy folder once more (SIGHUP); null: there is none. */
  readonly reloadPolicy: (() => void) | null;
  /** The one hand that starts processes; the demo starts its HTTP server with it. */
  readonly spawn: SpawnServer;
  /** Finishes what runs, refuses what comes, closes everything. */
  readonly drain: (graceMs: number) => Promise<void>;
}

/** The only place where concrete parts meet: config in, running gateway out. A missing stage is a type error here. */
export async function composeGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, dataDir } = options;
  const clock = options.clock ?? systemClock;
  const secrets = createSecrets({ baseDir: options.baseDir });
  const log = withoutSecrets(options.log, secrets.hide);
  const secret = (ref: string): Promise<string> => secrets.resolve(ref);
  const egress = createEgress(config.egress);
  const inspect = createInspect(config.inspect, { log, own: ownCredentials(config, secrets) });
  const audit = await openAudit(config.audit, { dir: join(dataDir, 'audit'), clock, redact: (text) => inspect.redact(secrets.hide(text)), log });
  const store = await openStore({ ...config.store, folder: dataDir }, { clock });
  const keys = await createKeyStore(store, clock);
  const adminKeys = createAdminKeys(store, clock);
  const sandbox = createSandbox({ config: config.sandbox, clock, env, onLost: (cause) => log(cause) });
  let audience = audiences(config, config.receive.port);
  const authenticate = await createAuthenticate(config.authenticate, {
    keys, clock, secret, fetchJson: egress.fetchJson, audience: () => audience,
  });
  const policy = await openPolicy({
    config: config.authorize, folder: config.authorize.policy === undefined ? null : resolvePath(options.baseDir, config.authorize.policy),
    store, clock, log, note: audit.note, between: (rules) => authorizeDrafts({ ...config, authorize: rules }),
  });
  const authorize = createAuthorize(policy.config(), { clock, placeOf: (server) => placeOf(config, server) });
  const grants = await createGrants({
    config: policy.config, store, clock, log, note: audit.note, namesOf: knowNames(config.approve.identities), personNow: adminKeys.byId,
    apply: (rules) => authorize.replace(rules, 'grants'), onChange: () => dispatch.toolsChanged(null),
  });
  const validate = createValidate(config.validate);
  const limit = createLimit(config.limit, { clock });
  const sealKey = ownKey(join(dataDir, 'keys', 'seal.key'));
  const approve = createApprove(config.approve, {
    store, clock, log, note: audit.note, approverNow: adminKeys.byId, compileNarrowing, placeOf: (server) => placeOf(config, server),
    checkTicket: ticketCheck(config, egress.fetchJson),
    users: {
      sealKey, askOnStream: (call, method, paramsText) => dispatch.askUser(call, method, paramsText),
      isCurrent: (call) => authenticate.stillValid(call.principal) && grants.areLive(call.decision.ruleIds) && isSameTool(call.target) && isDecidedAlike(call),
    },
  });

  const admin = createAdmin(config.admin, config.approve.webhooks, {
    approvals: approve.approvals, grants, keys: adminKeys, store, clock, secret, log, note: audit.note, postJson: egress.postJson, linkKey: ownKey(join(dataDir, 'keys', 'links.key')),
  });

  const ended: ((session: Session) => void)[] = []; // dispatch and resolve need each other; the sessions come second
  const dispatch = createDispatch(config.dispatch, {
    egress, secret, clock, log, screen: inspect.screen, sealKey,
    stdio: (name, server) => createStdioUpstream(name, server, { spawn: sandbox.spawn, secret, clock, log, maxProcesses: config.dispatch.max_processes, cwd: (server, given) => workingFolder(given === undefined ? join(dataDir, 'servers', server) : resolvePath(options.baseDir, given)) }),
    visibleTools: (call) => resolve.catalog.tools(call.server).filter((tool) => mayCall(call.principal, tool)),
    mayUse: (principal, server, method, name) => {
      const decision = authorize.decide(principal, resolve.targetOf(server, method, name));
      return decision.effect === 'allow' && decision.obligations.every((duty) => duty.by !== 'approve');
    },
    catalogVersion: () => String(resolve.catalog.version()),
    approvalOf: approve.stateOf,
    toolsKnown: (server) => resolve.catalog.state(server).ok,
    sessions: { admit: (session) => resolve.sessions.keep(session), end: (id) => resolve.sessions.end(id), all: () => resolve.sessions.all(), onEnd: (listener) => void ended.push(listener) },
  });
  const resolve: Resolve = createResolve(config.resolve, { source: dispatch.source, clock, timeoutMs: dispatch.timeoutMs, log });
  for (const listener of ended) resolve.sessions.onEnd(listener);
  resolve.catalog.onChange((server) => {
    dispatch.toolsChanged(server);
    compileSlowly(resolve.catalog.tools(server), validate.prepare);
  });
  /** After a person was asked, which may take an hour: the tool is what it was, and the rules say the same at this hour. */
  const isSameTool = ({ tool }: Target): boolean => tool === null || resolve.catalog.find(tool.server, tool.name)?.digest === tool.digest;
  const isDecidedAlike = (call: Resolved & { readonly decision: Allow }): boolean => {
    const again = authorize.stage.run(call);
    return !(again instanceof Promise) && 'go' in again && again.go.decision.policyVersion === call.decision.policyVersion && again.go.decision.ruleIds.join() === call.decision.ruleIds.join();
  };
  /** One decision for list and call: what may not be called is not shown (MISSION P5). */
  const mayCall = (principal: Principal, tool: Tool): boolean => authorize.decide(principal, targetOf(tool)).effect === 'allow';

  const stages: Stages = {
    authenticate: authenticate.stage, resolve: resolve.stage, authorize: authorize.stage, validate: validate.stage, limit: limit.stage,
    approve: approve.stage, journal: audit.journal, dispatch: dispatch.stage, inspect: inspect.stage,
  };
  const { onCall } = options;
  const finish: Finish = async (known, outcome) => {
    await audit.finish(known, outcome);
    if (known.decision?.effect === 'allow' && known.decision.obligations.length > 0) await approve.ended(known, outcome);
    onCall?.(known, outcome, clock.now() - known.receivedAt);
  };
  const health: Gateway['health'] = () => {
    const servers = dispatch.health();
    const causes = [audit.ready(), authenticate.ready(), admin.ready()].filter((cause) => cause !== null);
    return { ready: causes.length === 0, causes, notes: [...policy.notes(), ...grants.notes()], servers };
  };
  /** Acts of other processes (the CLI), one batch at a time. */
  let recording: Promise<void> = Promise.resolve();
  const recordActs = (): Promise<void> => (recording = recording.then(() => recordAdminActs(store, audit.note)).catch((error: unknown) => log('admin acts could not be recorded', { error: String(error) })));
  keys.onChange(() => void recordActs());
  policy.onLive((next) => {
    const faults = authorize.rebase(next);
    if (faults[0] !== undefined) throw new Error(`rule ${faults[0].id ?? faults[0].at}: ${faults[0].wrong}`);
    dispatch.toolsChanged(null); // what may be seen has changed
  });
  const receive = createReceive(config.receive, {
    handle: (call) => handleCall(call, stages, finish),
    refuse: async (early) => {
      await audit.refuse(early);
      options.onRefused?.(early);
    },
    serverExists: (name) => Object.hasOwn(config.dispatch.servers, name), secret,
    health, stillValid: authenticate.stillValid, clock, log,
  });
  authenticate.onRevoked((principalId) => {
    receive.closeStreams(principalId);
    dispatch.dropOf(principalId);
  });

  return {
    listen: async () => {
      dispatch.start();
      await resolve.start();
      const bound = await receive.listen();
      const adminBound = await admin.listen();
      audience = audiences(config, bound.port);
      await audit.note('gateway.started', {});
      await recordActs();
      policy.watch();
      return { ...bound, admin: adminBound };
    },
    approvals: approve.approvals,
    health,
    reloadPolicy: config.authorize.policy === undefined ? null : policy.reload,
    spawn: sandbox.spawn,
    drain: async (graceMs) => {
      await receive.drain(graceMs);
      resolve.close();
      await dispatch.close();
      await sandbox.close();
      await admin.close();
      await approve.close();
      await policy.close();
      await grants.stop();
      await audit.note('gateway.stopped', {});
      await authenticate.close();
      await egress.close();
      await audit.close();
      await keys.close();
      await store.close();
    },
  };
}

/** An approver's constraints in the language of rules. What they do not name is as approved, so they are open unless they say otherwise. */
const compileNarrowing: CompileNarrowing = (constraints) => {
  const read = argumentsSchema.safeParse({ closed: false, ...constraints });
  if (!read.success) throw new Error(read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  return (text) => {
    const { verdict, findings } = explainArguments(read.data, { value: JSON.parse(text) as JsonObject, text });
    return verdict === 'match' ? null : findings.map((finding) => `${finding.path}: ${finding.why}`).join('; ');
  };
};
const TICKET_BYTES = 65_536;
/** Asks the configured URL about a ticket; whatever is not a plain yes is a no. */
function ticketCheck(config: Config, fetchJson: Egress['fetchJson']): CheckTicket | null {
  const { ticket } = config.approve;
  if (ticket === null || !('webhook' in ticket)) return null;
  return async (text) => {
    try {
      const answer = await fetchJson(ticket.webhook.replace('{ticket}', () => encodeURIComponent(text)), new AbortController().signal, { maxBytes: TICKET_BYTES });
      return typeof answer === 'object' && answer !== null && 'valid' in answer && answer.valid === true ? 'ok' : 'unknown';
    } catch {
      return 'unavailable';
    }
  };
}
/** The URIs this gateway answers to as an OAuth resource (RFC 8707): tokens for anything else are refused. */
function audiences(config: Config, port: number): readonly string[] {
  const base = config.receive.public_url ?? `http://${config.receive.host}:${port}`;
  return [`${base}/mcp`, `${base}/tool`, ...Object.keys(config.dispatch.servers).map((name) => `${base}/s/${name}/mcp`)];
}
/** Where a server stands, as policy sees it. */
function placeOf(config: Config, server: string): Place {
  const found = Object.hasOwn(config.dispatch.servers, server) ? config.dispatch.servers[server] : undefined;
  return { environment: found?.environment ?? null, region: found?.region ?? null, tenant: found?.tenant ?? null };
}
const targetOf = (tool: Tool): Target => ({
  id: tool.id, server: tool.server, method: 'tools/call', name: tool.name, risk: tool.risk, tool, lane: 'own', timeoutMs: null,
});
/** What each server was given, as it is now: values rotate. */
function ownCredentials(config: Config, secrets: Secrets): (server: string | null) => readonly string[] {
  const all = secrets.formsOf(null);
  const each = new Map(Object.entries(config.dispatch.servers).map(([name, server]) => {
    const refs = [...Object.values(server.headers), ...Object.values(server.env)].flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));
    return [name, secrets.formsOf(refs)];
  }));
  return (server) => (each.get(server ?? '') ?? all)();
}
/** Servers write what they were given into stderr, libraries into errors: no value of ours reaches the log (CWE-532). */
function withoutSecrets(log: Log, hide: (text: string) => string): Log {
  const clean = (fields: object | undefined): object | undefined => fields && Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? hide(value) : value]));
  const guarded = (write: (message: string, fields?: object) => void) => (message: string, fields?: object): void => write(hide(message), clean(fields));
  return Object.assign(guarded(log), { debug: guarded(log.debug), warn: guarded(log.warn), error: guarded(log.error), flush: log.flush });
}
/** A folder of its own for each stdio server that names none, so that what servers write lies apart. */
function workingFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
/** Schemas are compiled before a call needs them, one per turn of the event loop: a compile takes milliseconds, a hostile one more. */
function compileSlowly(tools: readonly Tool[], prepare: (tool: Tool) => unknown, from = 0): void {
  const tool = tools[from];
  if (tool === undefined) return;
  setImmediate(() => {
    prepare(tool);
    compileSlowly(tools, prepare, from + 1);
  });
}
