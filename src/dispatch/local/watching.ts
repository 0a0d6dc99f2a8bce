import { isPage, namespacedUri, ownerOfUri } from '../../call/aggregate-names.ts';
import type { Journaled } from '../../call/call.ts';
import { isObject } from '../answer.ts';
import type { Room } from '../room.ts';
import { UpstreamFault, type Upstream } from '../upstream.ts';
import { updatedBlock, type Watched } from './updated.ts';

/** URIs that one stream or one session may watch, and all streams and sessions of one caller together (CWE-770). */
export const MAX_WATCHED = 100;
export const MAX_WATCHED_BY_CALLER = 1_000;
/** How long a server may take to accept a subscription, ms. */
const ACCEPT_MS = 30_000;

/** Subscriptions at servers in the name of clients. */
export interface Watching {
  /**
   * Begins to watch; `onUpdated` gets each event, ready for the client, with the client's name for what changed. Resolves with how to
   * stop. Throws `UpstreamFault`: no such server, it refuses, or the caller watches too much.
   */
  readonly open: (watched: Watched, onUpdated: (uri: string, block: Buffer) => void) => Promise<() => void>;
  /** The resource behind a URI of the client's; null: none that it may watch. */
  readonly find: (call: Journaled, shown: string) => Watched | null;
  /** The same for a call that was aimed at a resource. */
  readonly aimed: (call: Journaled) => Watched | null;
}

export function createWatching(upstreams: ReadonlyMap<string, Upstream>, room: Room): Watching {
  const byCaller = new Map<string, number>();
  const take = (caller: string): (() => void) | null => {
    const held = byCaller.get(caller) ?? 0;
    if (held >= MAX_WATCHED_BY_CALLER) return null;
    byCaller.set(caller, held + 1);
    return once(() => {
      const left = (byCaller.get(caller) ?? 1) - 1;
      if (left === 0) byCaller.delete(caller);
      else byCaller.set(caller, left);
    });
  };
  const mayWatch = (call: Journaled, server: string, uri: string): boolean =>
    canWatch(upstreams.get(server)) && room.deps.mayUse(call.principal, server, 'resources/subscribe', uri);

  return {
    find: (call, shown) => {
      const owned = call.server === null ? ownerOfUri(shown) : { server: call.server, name: shown };
      // What may not be subscribed to by itself may not be listened to either (PROTOCOL 5.15).
      if (owned === null || (call.server === null && isPage(owned.name)) || !mayWatch(call, owned.server, owned.name)) return null;
      return watchedOf(call, owned.server, owned.name, shown);
    },
    aimed: (call) => {
      const { server, name } = call.target;
      const shown = call.message.params['uri'];
      return server === null || name === null || typeof shown !== 'string' || !canWatch(upstreams.get(server)) ? null : watchedOf(call, server, name, shown);
    },
    open: async (watched, onUpdated) => {
      const upstream = upstreams.get(watched.server);
      if (upstream === undefined) throw new UpstreamFault({ code: 'dispatch.unavailable', note: `no server ${watched.server}`, effect: 'none' });
      const giveBack = take(watched.call.principal.id);
      if (giveBack === null) throw new UpstreamFault({ code: 'dispatch.subscriptions', note: `${MAX_WATCHED_BY_CALLER} resources are watched`, effect: 'none' });
      try {
        const stop = await inTime(upstream.watch(watched.uri, (paramsText) => {
          const told = updatedBlock(watched, paramsText, room);
          if (told !== null) onUpdated(told.uri, told.block);
        }));
        return once(() => {
          giveBack();
          stop();
        });
      } catch (thrown) {
        giveBack();
        throw thrown;
      }
    },
  };
}

function watchedOf(call: Journaled, server: string, uri: string, shown: string): Watched {
  return { call, server, uri, shown, show: call.server === null ? (other) => namespacedUri(server, other) : (other) => other };
}

/** Only a server that says so takes subscriptions. */
function canWatch(upstream: Upstream | undefined): boolean {
  const resources = upstream?.info()?.capabilities['resources'];
  return isObject(resources) && resources['subscribe'] === true;
}

/** A subscription that is accepted after its time is given up again, or it would be held for ever. */
function inTime(watching: Promise<() => void>): Promise<() => void> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new UpstreamFault({ code: 'dispatch.timeout', note: 'subscribing', effect: 'none' }));
    }, ACCEPT_MS);
    watching.then((stop) => (isLate ? stop() : resolve(stop)), reject).finally(() => clearTimeout(timer));
  });
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}
