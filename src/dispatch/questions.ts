import type { Journaled, Message } from '../call/call.ts';
import type { Session } from '../call/session.ts';
import { randomToken } from '../lib/ids.ts';
import { textAt } from '../lib/json-spans.ts';
import { eventBlock } from '../lib/sse.ts';
import type { Reply } from './upstream.ts';

/** A question to a client that waits for its response. */
export interface Pending {
  /** What the client said, or why nothing came. withheld: inspect/ did not let the question out. gone: nobody reads the call's stream. Never rejects. */
  readonly heard: Promise<Reply | 'withheld' | 'gone' | 'late' | 'given_up'>;
  /** Nobody wants the response any more: the client is told, and what it still says is dropped. */
  readonly giveUp: () => void;
}

/** Requests of the gateway's own to legacy clients, on whose sessions they answer. */
export interface Questions {
  /** Asks on the stream of the call, or, when that is gone, on one that its session holds open. `paramsText`: ready to send. `ms`: how long to wait. */
  readonly ask: (call: Journaled, session: Session, method: string, paramsText: string, ms: number) => Pending;
  /** The same for a question in the gateway's own words, which nobody needs to look through. */
  readonly askOwn: (call: Pick<Journaled, 'side'>, session: Session, method: string, paramsText: string, ms: number) => Pending;
  /** A client's response. False: this session was not asked that, or has answered before. */
  readonly answered: (session: Session, message: Message) => boolean;
  /** The session ended: nobody is left to answer. */
  readonly ended: (session: Session) => void;
}

type Heard = Awaited<Pending['heard']>;

export function createQuestions(deps: { readonly screen: (block: Buffer, call: Journaled) => Buffer | null }): Questions {
  const open = new WeakMap<Session, Map<string, (heard: Heard) => void>>();

  const wait = (call: Pick<Journaled, 'side'>, session: Session, { id, block }: Asked, ms: number): Pending => {
    if (!say(call, session, block)) return answeredAlready('gone');
    let of = open.get(session);
    if (of === undefined) open.set(session, (of = new Map()));
    const asked = of;
    let settle: (heard: Heard) => void = () => undefined;
    const heard = new Promise<Heard>((resolve) => (settle = resolve));
    const end = (said: Heard): void => {
      if (!asked.delete(id)) return;
      clearTimeout(timer);
      if (typeof said === 'string') say(call, session, eventBlock(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"${id}"}}`));
      settle(said);
    };
    const timer = setTimeout(() => end('late'), Math.max(0, ms));
    asked.set(id, end);
    return { heard, giveUp: () => end('given_up') };
  };
  return {
    ask: (call, session, method, paramsText, ms) => {
      const { id, block } = requestOf(method, paramsText);
      const screened = deps.screen(block, call);
      return screened === null ? answeredAlready('withheld') : wait(call, session, { id, block: screened }, ms);
    },
    askOwn: (call, session, method, paramsText, ms) => wait(call, session, requestOf(method, paramsText), ms),
    answered: (session, message) => {
      const end = typeof message.rpcId === 'string' ? open.get(session)?.get(message.rpcId) : undefined;
      if (end === undefined) return false;
      const result = textAt(message.text, ['result']);
      end(result === null ? { error: textAt(message.text, ['error']) ?? '{"code":-32603,"message":"Internal error"}' } : { result });
      return true;
    },
    ended: (session) => {
      for (const end of open.get(session)?.values() ?? []) end('gone');
    },
  };
}

interface Asked {
  readonly id: string;
  readonly block: Buffer;
}
/** Ids nobody can guess, and only the session that was asked can answer them, once (PROTOCOL 5.5: event injection). */
function requestOf(method: string, paramsText: string): Asked {
  const id = `sallyport-${randomToken(16)}`;
  return { id, block: eventBlock(`{"jsonrpc":"2.0","id":"${id}","method":${JSON.stringify(method)},"params":${paramsText}}`) };
}

const answeredAlready = (heard: Heard): Pending => ({ heard: Promise.resolve(heard), giveUp: () => undefined });

/** A lost stream is no cancellation in the legacy eras: the client may still read another one (MCP 2025-11-25 transports). */
function say(call: Pick<Journaled, 'side'>, session: Session, block: Buffer): boolean {
  if (call.side.event(block)) return true;
  const [other] = session.streams;
  other?.(block);
  return other !== undefined;
}
