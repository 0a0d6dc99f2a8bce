import type { ApprovalEvent, Approvals } from '../approve/index.ts';
import type { PostJson } from '../egress/index.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { WebhookConfig } from './config.ts';
import { type AlarmEvent, payloadOf } from './payload.ts';
import { signatureOf, strong } from './sign.ts';

export interface WebhookDeps {
  readonly approvals: Pick<Approvals, 'onEvent'>;
  readonly postJson: PostJson;
  readonly secret: (ref: string) => Promise<string>;
  readonly clock: Clock;
  readonly log: (message: string, fields?: object) => void;
  /** Activations of emergency roles. */
  readonly onAlarm?: (listener: (event: AlarmEvent) => void) => () => void;
  /** A link for this request and admin; null: there are none (no `admin.public_url`). */
  readonly linkFor: (event: Exclude<ApprovalEvent, { kind: 'digest' }>, approver: string) => string | null;
  /** The wait after the first failure, ms; for tests. */
  readonly firstWaitMs?: number;
}
interface Delivery {
  readonly id: string;
  readonly event: ApprovalEvent | AlarmEvent;
  readonly at: number;
}
/** Messages that may wait for one receiver; more are dropped and told of in the log (CWE-770). The list of approvals forgets nothing. */
const MOST_WAITING = 256;
/** With the waits between them about ten minutes. */
const ATTEMPTS = 8;

/** Tells receivers of what happens to approvals, in the background and in order; a receiver that is down never holds up a call. */
export function startWebhooks(hooks: readonly WebhookConfig[], deps: WebhookDeps): { readonly close: () => Promise<void> } {
  const stop = new AbortController();
  const receivers = hooks.map((hook, at) => createReceiver(hook, at, deps, stop.signal));
  const tell = (event: ApprovalEvent | AlarmEvent): void => {
    for (const receiver of receivers) receiver.tell(event);
  };
  const off = deps.approvals.onEvent(tell);
  const offAlarm = deps.onAlarm?.(tell);
  return {
    close: async () => {
      off();
      offAlarm?.();
      stop.abort();
      await Promise.all(receivers.map((receiver) => receiver.idle()));
    },
  };
}

function createReceiver(hook: WebhookConfig, at: number, deps: WebhookDeps, signal: AbortSignal): { readonly tell: (event: ApprovalEvent | AlarmEvent) => void; readonly idle: () => Promise<void> } {
  const wanted: ReadonlySet<string> = new Set(hook.events);
  const waiting: Delivery[] = [];
  let dropped = 0;
  let working: Promise<void> | null = null;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) await deliver(hook, at, next, deps, signal);
    if (dropped > 0) deps.log('webhook: messages were dropped, too many waited', { webhook: at, error: String(dropped) });
    dropped = 0;
  };
  return {
    tell: (event) => {
      if (!wanted.has(event.kind)) return;
      if (waiting.length >= MOST_WAITING) return void (dropped += 1);
      waiting.push({ id: newId(), event, at: deps.clock.now() });
      working ??= work().finally(() => { working = null; });
    },
    idle: async () => { await working; },
  };
}

async function deliver(hook: WebhookConfig, at: number, delivery: Delivery, deps: WebhookDeps, signal: AbortSignal): Promise<void> {
  for (let failures = 0; failures < ATTEMPTS;) {
    try {
      return await send(hook, delivery, deps, signal);
    } catch (thrown) {
      failures += 1;
      if (signal.aborted) return;
      // The address may hold a token: only its place in the configuration is named (CWE-532).
      if (failures === ATTEMPTS) return deps.log('webhook: given up', { webhook: at, delivery: delivery.id, error: String(thrown) });
      deps.log('webhook: failed, will be tried again', { webhook: at, delivery: delivery.id, error: String(thrown) });
      await pause(backoffMs(failures, deps.firstWaitMs ?? 1_000, 300_000), signal);
    }
  }
}

async function send(hook: WebhookConfig, { id, event, at }: Delivery, deps: WebhookDeps, signal: AbortSignal): Promise<void> {
  const mayDecide = hook.approver !== null && (event.kind === 'requested' || event.kind === 'escalated');
  const link = mayDecide && hook.approver !== null ? deps.linkFor(event, hook.approver) : null;
  const body = JSON.stringify(payloadOf({ event, delivery: id, at, link, includeArguments: hook.include_arguments }, hook.format));
  const url = typeof hook.url === 'string' ? hook.url : await deps.secret(hook.url.secret);
  const timestamp = String(Math.floor(deps.clock.now() / 1_000)); // of this attempt: receivers refuse old ones
  const signed = hook.secret === null ? {} : { 'sallyport-signature': signatureOf(strong(await deps.secret(hook.secret)), timestamp, body) };
  await deps.postJson(url, body, { 'sallyport-event': event.kind, 'sallyport-delivery': id, 'sallyport-timestamp': timestamp, ...signed }, signal, { allowLoopback: hook.allow_loopback, allowPrivate: hook.allow_private });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal.addEventListener('abort', end, { once: true });
  });
}
