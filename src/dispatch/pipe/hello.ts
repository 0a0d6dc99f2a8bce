import type { Era } from '../../call/call.ts';
import type { Json, JsonObject } from '../../call/json.ts';
import { isObject, parseObject } from '../answer.ts';
import { initializeParams, LEGACY_VERSIONS, MODERN } from '../envelope.ts';
import type { Exchange, UpstreamInfo } from '../upstream.ts';
import { OWN, type Talk } from './talk.ts';

/** What a server said about itself. */
export interface Hello extends Omit<UpstreamInfo, 'askedAt'> {
  readonly era: Era;
}
/** The server speaks, but nothing we understand. */
export class NoCommonVersion extends Error {
  override readonly name = 'NoCommonVersion';
}
/** Both eras were asked and the modern answer came after all: the process has seen both openings and is best started afresh. */
export class LateModern extends Error {
  override readonly name = 'LateModern';
}

/** Taken from servers, but never offered. */
const OLDEST = '2024-11-05';
/** A legacy server may stay silent on what it does not know. A modern one that is merely slow to start is caught by `LateModern`. */
const PROBE_MS = 2_000;

/**
 * Opens the conversation in the era the server speaks: `server/discover` first, and `initialize` when that is not known or not
 * answered. `onProbe` is told while only the probe has been sent, so that a death can be laid to it. `capabilities`: JSON text of what a
 * legacy server hears that its client can be asked for; they hold for as long as the pipe.
 */
export async function greet(talk: Talk, era: Era | 'auto', capabilities: string, onProbe: (running: boolean) => void): Promise<Hello> {
  if (era === 'legacy') return initialize(talk, capabilities);
  onProbe(era === 'auto');
  const modern = talk.ask('server/discover', '{}', 'modern', OWN).then(discovered);
  if (era === 'modern') {
    const hello = await modern;
    if (hello === null) throw new NoCommonVersion(`the server does not offer ${MODERN}`);
    return hello;
  }
  const first = await Promise.race([modern, silence(PROBE_MS)]);
  onProbe(false);
  if (first !== 'silence') return first ?? initialize(talk, capabilities);
  const late = modern.then((hello) => (hello === null ? never : hello));
  late.catch(() => undefined); // its end is also the end of `initialize`
  const legacy = initialize(talk, capabilities);
  legacy.catch(() => undefined);
  const hello = await Promise.race([legacy, late]);
  if (hello.era === 'modern') throw new LateModern();
  return hello;
}

const never = new Promise<never>(() => undefined);
const silence = (ms: number): Promise<'silence'> => new Promise((resolve) => {
  setTimeout(resolve, ms, 'silence').unref();
});

function discovered({ result }: Exchange): Hello | null {
  const said = result === null ? null : parseObject(result);
  const versions = said?.['supportedVersions'];
  if (said === null || !Array.isArray(versions) || !versions.includes(MODERN)) return null;
  const meta = said['_meta'];
  return hello('modern', MODERN, said, isObject(meta) ? meta['io.modelcontextprotocol/serverInfo'] : undefined);
}

async function initialize(talk: Talk, capabilities: string): Promise<Hello> {
  const { result } = await talk.ask('initialize', initializeParams(capabilities), 'legacy', OWN);
  const said = result === null ? null : parseObject(result);
  const version = said?.['protocolVersion'];
  if (said === null || typeof version !== 'string' || !(LEGACY_VERSIONS.includes(version) || version === OLDEST)) throw new NoCommonVersion('the server and the gateway have no protocol version in common');
  talk.tell('notifications/initialized', '{}');
  return hello('legacy', version, said, said['serverInfo']);
}

function hello(era: Era, version: string, said: JsonObject, serverInfo: Json | undefined): Hello {
  const { capabilities, instructions } = said;
  return {
    era, version,
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : {},
    instructions: typeof instructions === 'string' ? instructions : null,
  };
}
