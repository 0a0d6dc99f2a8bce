import type { Journaled } from '../../call/call.ts';
import { isObject } from '../../call/json.ts';
import { LOG_LEVELS } from '../../call/session.ts';
import { cutAt, splice, textAt } from '../../lib/json-spans.ts';
import { eventBlock } from '../../lib/sse.ts';
import type { Room } from '../room.ts';
import { logLevelOf } from './trip.ts';

/** Passes on what a server says before its answer: progress under the client's own token, log messages of the level it wants, nothing else. */
export interface Tell {
  readonly notification: (method: string, paramsText: string) => void;
  /** The client wants to hear of progress. */
  readonly wantsProgress: boolean;
}

export function createTell(call: Journaled, room: Pick<Room, 'deps'>): Tell {
  const meta = call.message.params['_meta'];
  const said = call.door === 'rest' || !isObject(meta) ? undefined : meta['progressToken'];
  const token = typeof said === 'string' || typeof said === 'number' ? said : null;
  const level = logLevelOf(call);
  const pass = (method: string, params: string): void => {
    const block = room.deps.screen(eventBlock(`{"jsonrpc":"2.0","method":"${method}","params":${params}}`), call);
    if (block !== null) call.side.event(block);
  };
  return {
    wantsProgress: token !== null,
    notification: (method, paramsText) => {
      if (method === 'notifications/progress') {
        const cut = token === null ? null : cutAt(paramsText, ['progressToken']);
        if (cut !== null) pass(method, splice(paramsText, cut, JSON.stringify(token)));
      } else if (method === 'notifications/message' && level !== null && rank(textAt(paramsText, ['level'])) >= LOG_LEVELS.indexOf(level)) pass(method, paramsText);
    },
  };
}

const rank = (text: string | null): number => LOG_LEVELS.findIndex((level) => `"${level}"` === text);
