import type { Json } from '../../call/json.ts';
import type { Draft } from '../../config/index.ts';
import type { Clock } from '../../lib/clock.ts';
import { sha256 } from '../../lib/hash.ts';
import type { Store } from '../../store/index.ts';
import type { AuthorizeConfig } from '../config.ts';
import { fingerprint, type FolderRead, readFolder } from './folder.ts';
import { type Judged, judgeFolder, judgeTexts } from './verdict.ts';
import { type Cause, type Pin, policyVersions, type Versions } from './versions.ts';
import { type Watch, watchFolder } from './watch.ts';

/** The policy cannot go live, and there is none to stay with. The message holds every reason, a line each. */
export class PolicyRefused extends Error {
  override readonly name = 'PolicyRefused';
}

export interface PolicyDeps {
  /** The section `authorize`. */
  readonly config: AuthorizeConfig;
  /** Absolute; null: all rules stand in the configuration. */
  readonly folder: string | null;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
  /** Puts an event into the audit chain and waits for the disk. */
  readonly note: (event: string, fields: { readonly policy_version?: string; readonly tool_input?: Json; readonly error?: string }) => Promise<void>;
  /** What is wrong between rules and servers; paths begin with `authorize`. */
  readonly between?: (config: AuthorizeConfig) => readonly Draft[];
}
export interface LivePolicy {
  /** What is in force. */
  readonly config: () => AuthorizeConfig;
  readonly version: () => string;
  /** Called with each policy that goes live after the first. The listener swaps it in whole, at once, or throws: then the old one stays. */
  readonly onLive: (listener: (config: AuthorizeConfig) => void) => void;
  /** Begins to follow the folder and the pin. */
  readonly watch: () => void;
  /** Looks at the folder once more, changed or not (SIGHUP). */
  readonly reload: () => void;
  /** What an operator should know though all works: `policy: new version rejected`, `policy: cannot be followed`, `policy: pinned`. */
  readonly notes: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** How often the pin is looked for; `policy rollback` in another process works within this and the time the tests take. */
const POLL_MS = 250;
const RETRY_MS = 5_000;
/** Lines in one record or log entry; `policy test` tells all. */
const REASONS = 20;

/** A judged policy and where it came from. */
interface Candidate {
  readonly judged: Judged;
  /** Of what was judged, to tell one content from the next. */
  readonly hash: string;
  readonly inline: AuthorizeConfig;
  readonly by: Cause;
}
type Good = Extract<Judged, { ok: true }>;
interface State {
  live: { readonly good: Good; readonly by: Cause } | null;
  pin: Pin | null;
  /** The content that was turned down last; null: what is there runs. */
  rejected: string | null;
  /** Why it cannot be followed at all; null: it can. */
  fault: string | null;
  /** The folder as it was when it was last read. */
  seen: string;
}

/**
 * Loads, tests and keeps the policy. At start a policy that is not sound throws `PolicyRefused`; later the old one stays whole until a new
 * one is sound, passes its tests and is recorded (no record, no act). A pinned version wins over the folder until it is released.
 */
export async function openPolicy(deps: PolicyDeps): Promise<LivePolicy> {
  const versions = policyVersions(deps.store);
  let changes = await deps.store.changes(); // before the pin: what is pinned in between is found by the next look
  const state: State = { live: null, pin: await versions.pinned(), rejected: null, fault: null, seen: deps.folder === null ? '' : fingerprint(deps.folder) };
  const listeners: ((config: AuthorizeConfig) => void)[] = [];
  const first = state.pin === null ? await fromFolder(deps, state, 'start') : await fromPin(deps, versions, state.pin, 'start');
  await goLive(deps, versions, state, first, () => undefined);
  if (state.live === null) throw new PolicyRefused(['the policy cannot go live:', ...reasonsOf(first), ...(state.pin === null ? [] : [`${state.pin.version} is pinned; \`sallyport policy rollback --release\` releases it`])].join('\n'));

  let watch: Watch | null = null;
  let timer: NodeJS.Timeout | undefined;
  let again: NodeJS.Timeout | undefined;
  // One thing at a time: a reload and a rollback that meet must not leave half of each.
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => (turn = turn.then(work).catch((thrown: unknown) => {
    // The store, the audit or a room would not take it: the old one stays, and it is tried again.
    if (state.fault !== String(thrown)) deps.log('the policy cannot be followed', { fault: String(thrown) });
    state.fault = String(thrown);
    again ??= setTimeout(tryAgain, RETRY_MS).unref();
  }));
  const tryAgain = (): void => {
    [again, changes] = [undefined, -1];
    watch?.poke();
  };
  const swap = (config: AuthorizeConfig): void => { for (const listener of listeners) listener(config); };
  let next: Cause = 'reload';
  const load = async (print: string | null): Promise<void> => {
    const by = next;
    const isStill = (): boolean => print === null || deps.folder === null || fingerprint(deps.folder) === print;
    if (!isStill()) return; // written to again, before or while we read: the watch reports once more
    const candidate = await fromFolder(deps, state, by);
    if (!isStill()) return;
    next = 'reload';
    await goLive(deps, versions, state, candidate, swap);
  };
  const onFolder = (print: string): Promise<void> => inTurn(async () => {
    if (state.pin === null) return load(print);
    state.fault = null;
    deps.log('the policy folder has changed; the pinned version stays', { version: state.pin.version });
  });
  const onStore = (): Promise<void> => inTurn(async () => {
    const now = await deps.store.changes();
    if (now === changes) return;
    changes = now;
    const [pin, before] = [await versions.pinned(), state.pin];
    if (pin?.version === before?.version && pin?.at === before?.at) return void (deps.folder === null && (state.fault = null));
    state.pin = pin;
    if (pin !== null) {
      const candidate = await fromPin(deps, versions, pin, 'rollback');
      return goLive(deps, versions, state, candidate, swap).catch((thrown: unknown) => {
        state.pin = before; // so that it is tried again
        throw thrown;
      });
    }
    next = 'release';
    if (watch === null) await load(null);
    else watch.poke(); // which waits until the folder is quiet
  });

  return {
    config: () => liveOf(state).policy.config,
    version: () => liveOf(state).report.version,
    onLive: (listener) => void listeners.push(listener),
    watch: () => {
      const { folder } = deps;
      if (folder !== null) watch = watchFolder(() => fingerprint(folder), state.seen, deps.clock, (print) => void onFolder(print));
      timer = setInterval(() => void onStore(), POLL_MS);
      timer.unref();
    },
    reload: () => watch?.poke(),
    notes: () => [...(state.rejected === null ? [] : ['policy: new version rejected']), ...(state.fault === null ? [] : ['policy: cannot be followed']), ...(state.pin === null ? [] : ['policy: pinned'])],
    close: async () => {
      watch?.close();
      clearInterval(timer);
      clearTimeout(again);
      await turn;
    },
  };
}
function liveOf({ live }: State): Good {
  if (live === null) throw new PolicyRefused('no policy is in force'); // openPolicy gives nothing out before there is one
  return live.good;
}

async function fromFolder(deps: PolicyDeps, state: State, by: Cause): Promise<Candidate> {
  const { config: inline, folder } = deps;
  if (folder !== null) state.seen = fingerprint(folder);
  const read: FolderRead = folder === null ? { ok: true, texts: [] } : readFolder(folder);
  const judged = await judgeFolder(read, { inline, folder: folder ?? '.', requireTests: folder !== null && inline.require_tests, ...(deps.between && { between: deps.between }) });
  return { judged, hash: sha256(JSON.stringify([read, inline])), inline, by };
}
/** What went live once goes live again only if it still compiles and passes its own tests; servers may have gone since, and are not asked about. */
async function fromPin(deps: PolicyDeps, versions: Versions, pin: Pin, by: Cause): Promise<Candidate> {
  const kept = await versions.get(pin.version);
  const hash = `pin ${pin.version} ${pin.at}`;
  if (kept === null) return { judged: { ok: false, reasons: [`the pinned version ${pin.version} is not kept, or cannot be read`], report: null }, hash, inline: deps.config, by };
  const judged = await judgeTexts(kept.texts, { inline: kept.inline, folder: `version ${pin.version}`, requireTests: false });
  // A record that was changed in the store, or that a later gateway reads in another way, is not what was pinned.
  if (judged.ok && judged.report.version !== pin.version) return { judged: { ok: false, reasons: [`the kept version ${pin.version} reads as ${judged.report.version} now`], report: judged.report }, hash, inline: kept.inline, by };
  return { judged, hash, inline: kept.inline, by };
}

const reasonsOf = ({ judged }: Candidate): readonly string[] => (judged.ok ? [] : judged.reasons);

/** Records, then swaps; or says once why not. Rejects when what must be recorded cannot be. */
async function goLive(deps: PolicyDeps, versions: Versions, state: State, candidate: Candidate, swap: (config: AuthorizeConfig) => void): Promise<void> {
  const { judged, by } = candidate;
  if (!judged.ok) return reject(deps, state, candidate);
  const { policy, report } = judged;
  const before = state.live?.good;
  const same = before?.report.version === report.version;
  if (same && before.policy.hash === policy.hash && by === 'reload') return void ([state.rejected, state.fault] = [null, null]);
  const at = new Date(deps.clock.now()).toISOString();
  await versions.keep({ version: report.version, hash: policy.hash, by, rules: policy.config.rules.length, tests: report.total, inline: candidate.inline, texts: policy.texts }, at);
  const told = { by, hash: policy.hash, rules: policy.config.rules.length, tests: report.total, files: policy.texts.length, pinned: state.pin !== null, before: before?.report.version ?? null };
  await deps.note(by === 'rollback' ? 'policy.rolled_back' : 'policy.loaded', { policy_version: report.version, tool_input: told });
  if (!same) swap(policy.config);
  state.live = { good: judged, by };
  [state.rejected, state.fault] = [null, null];
  await versions.setLive(report.version);
  deps.log(state.pin === null ? 'policy in force' : 'policy in force, pinned', { version: report.version, ...told });
}
async function reject(deps: PolicyDeps, state: State, { judged, hash, by }: Candidate): Promise<void> {
  if (judged.ok || state.rejected === hash) return; // once for each content
  state.rejected = hash;
  const reasons = judged.reasons.length > REASONS ? [...judged.reasons.slice(0, REASONS), `and ${judged.reasons.length - REASONS} more; \`sallyport policy test\` tells all`] : judged.reasons;
  for (const reason of reasons) deps.log('policy rejected', { fault: reason });
  const version = judged.report?.version;
  await deps.note('policy.rejected', { ...(version !== undefined && { policy_version: version }), tool_input: { by, hash, live: state.live?.good.report.version ?? null }, error: reasons.join('\n') });
}
