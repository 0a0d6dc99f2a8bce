import type { Clock } from '../../lib/clock.ts';
import type { Link, Log } from '../http/link.ts';
import type { Kind } from '../pipe/conversation.ts';
import { createPipeUpstream, type PipeUpstream } from '../pipe/upstream.ts';
import { openChannel } from './channel.ts';

/** As for sessions over Streamable HTTP: so many channels of callers, each ended when nobody used it for so long, ms. */
const MAX_CHANNELS = 1_000, IDLE_MS = 10 * 60_000;

/** A stream may be dead without a word; a server that is merely busy says something in this time, ms. */
const CHECK_MS = 30_000;

/** An MCP server of 2024-11-05 with a separate event stream: one channel is the gateway's own, others belong to one principal each. */
export const createSseUpstream = (link: Link, deps: { readonly clock: Clock; readonly log: Log }): PipeUpstream => createPipeUpstream(link.name, sseKind(link), deps);

/** What `createSseUpstream` makes one of. */
export const sseKind = (link: Link): Kind => ({ transport: 'http', era: 'legacy', perCaller: true, maxCallers: MAX_CHANNELS, idleMs: IDLE_MS, checkMs: CHECK_MS, open: () => openChannel(link) });
