import { join } from 'node:path';
import type { Known, Outcome } from './call/call.ts';
import type { Principal } from './call/principal.ts';
import type { Target, Tool } from './call/target.ts';
import { createApprove } from './approve/index.ts';
import { openAudit } from './audit/index.ts';
import { createAuthenticate, createKeyStore } from './authenticate/index.ts';
import { createAuthorize } from './authorize/index.ts';
import type { Config } from './config/index.ts';
import { createDispatch, createStdioUpstream } from './dispatch/index.ts';
import { createEgress } from './egress/index.ts';
import { createInspect } from './inspect/index.ts';
import { systemClock, type Clock } from './lib/clock.ts';
import { createLimit } from './limit/index.ts';
import type { Log } from './observe/index.ts';
import { handleCall, type Finish, type Stages } from './pipeline.ts';
import { createReceive } from './receive/index.ts';
import { createResolve, type Resolve } from './resolve/index.ts';
import { spawnServer } from './sandbox/index.ts';
import { createSecrets } from './secrets/index.ts';
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
}
export interface Gateway {
  readonly listen: () => Promise<{ readonly url: string; readonly port: number }>;
  readonly health: () => { readonly ready: boolean; readonly causes: readonly string[]; readonly servers: Record<string, unknown> };
  /** Finishes what runs, refuses what comes, closes everything. */
  readonly drain: (graceMs: number) => Promise<void>;
}

/** The only place where concrete parts meet: config in, running gateway out. A missing stage is a type error here. */
export async function composeGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, log, dataDir } = options;
  const clock = options.clock ?? systemClock;
  const secrets = createSecrets({ baseDir: options.baseDir });
  const secret = (ref: string): Promise<string> => secrets.resolve(ref);
  const egress = createEgress(config.egress);
  const inspect = createInspect(config.inspect, { log });
  const audit = await openAudit(config.audit, { dir: join(dataDir, 'audit'), clock, redact: inspect.redact, log });
  const store = openStore(join(dataDir, 'state.db'));
  const keys = createKeyStore(store, clock);
  let port = config.receive.port;
  const authenticate = await createAuthenticate(config.authenticate, {
    keys, clock, secret, fetchJson: egress.fetchJson, audience: () => audiences(config, port),
  });
  const authorize = createAuthorize(config.authorize);
  const validate = createValidate(config.validate);
  const limit = createLimit(config.limit, { clock });
  const approve = createApprove(config.approve);

  const dispatch = createDispatch(config.dispatch, {
    egress, secret, clock, log, screen: inspect.screen,
    stdio: (name, server) => createStdioUpstream(name, server, { spawn: spawnServer, secret, clock, log }),
    visibleTools: (call) => resolve.catalog.tools(call.server).filter((tool) => mayCall(call.principal, tool)),
    catalogVersion: () => String(resolve.catalog.version()),
    sessions: { admit: (session) => resolve.sessions.admit(session), end: (id) => resolve.sessions.end(id), all: () => resolve.sessions.all() },
  });
  const resolve: Resolve = createResolve(config.resolve, { source: dispatch.source, clock, timeoutMs: dispatch.timeoutMs, log });
  /** One decision for list and call: what may not be called is not shown (MISSION P5). */
  const mayCall = (principal: Principal, tool: Tool): boolean => authorize.decide(principal, targetOf(tool)).effect === 'allow';

  const stages: Stages = {
    authenticate: authenticate.stage, resolve: resolve.stage, authorize: authorize.stage, validate: validate.stage, limit: limit.stage,
    approve: approve.stage, journal: audit.journal, dispatch: dispatch.stage, inspect: inspect.stage,
  };
  const finish: Finish = async (known, outcome, passed) => {
    await audit.finish(known, outcome, passed);
    options.onCall?.(known, outcome, clock.now() - known.receivedAt);
  };
  const health: Gateway['health'] = () => {
    const servers = dispatch.health();
    const causes = [audit.ready(), authenticate.ready()].filter((cause) => cause !== null);
    return { ready: causes.length === 0, causes, servers };
  };
  const receive = createReceive(config.receive, {
    handle: (call) => handleCall(call, stages, finish),
    refuse: audit.refuse,
    serverExists: (name) => name in config.dispatch.servers,
    health, stillValid: authenticate.stillValid, clock, log,
  });
  authenticate.onRevoked((principalId) => receive.closeStreams(principalId));

  return {
    listen: async () => {
      dispatch.start();
      await resolve.start();
      const bound = await receive.listen();
      port = bound.port;
      await audit.note('gateway.started', {});
      return bound;
    },
    health,
    drain: async (graceMs) => {
      await receive.drain(graceMs);
      resolve.close();
      await dispatch.close();
      await audit.note('gateway.stopped', {});
      await authenticate.close();
      await egress.close();
      await audit.close();
      store.close();
    },
  };
}

/** The URIs this gateway answers to as an OAuth resource (RFC 8707): tokens for anything else are refused. */
function audiences(config: Config, port: number): readonly string[] {
  const base = config.receive.public_url ?? `http://${config.receive.host}:${port}`;
  return [`${base}/mcp`, `${base}/tool`, ...Object.keys(config.dispatch.servers).map((name) => `${base}/s/${name}/mcp`)];
}
const targetOf = (tool: Tool): Target => ({
  id: tool.id, server: tool.server, method: 'tools/call', name: tool.name, risk: tool.risk, tool, lane: 'own', timeoutMs: null,
});
