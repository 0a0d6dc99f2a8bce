import type { Risk } from '../call/target.ts';

/** Which methods the gateway routes, what they risk, and who answers them where nothing is mirrored. */
export interface MethodRoute {
  readonly risk: Risk;
  /** Lane at the endpoint of one server that is not mirrored (stdio, or another era). */
  readonly single: 'own' | 'local' | null;
  /** Lane at the aggregate endpoint; null: withheld there (dispatch/aggregate/README.md). */
  readonly aggregate: 'own' | 'local' | null;
  /** Never leaves the gateway, not even where everything else is mirrored. */
  readonly alwaysLocal: boolean;
  /** A stream that stays open until someone closes it. */
  readonly endless: boolean;
  /** Names a prompt or resource, so that at the aggregate it is aimed at one server. */
  readonly isMember: boolean;
}

const route = (risk: Risk, single: MethodRoute['single'], aggregate: MethodRoute['aggregate'], more: Partial<MethodRoute> = {}): MethodRoute => ({
  risk, single, aggregate, alwaysLocal: false, endless: false, isMember: false, ...more,
});

const MEMBER = { isMember: true } as const;

/**
 * `tools/call` is not in the table: its class and lane hang on the tool. `tools/list` is always local, so that the list and the
 * call ask the same decision (MISSION P5); a mirrored list would have to be filtered on the wire, where media types and split
 * streams have hidden tools from filters (ToolHive #6092).
 */
export const METHODS: ReadonlyMap<string, MethodRoute> = new Map([
  ['initialize', route('discovery', 'local', 'local')],
  ['ping', route('discovery', 'local', 'local')],
  ['server/discover', route('discovery', 'local', 'local')],
  ['logging/setLevel', route('discovery', 'local', 'local')],
  ['tools/list', route('discovery', 'local', 'local', { alwaysLocal: true })],
  ['prompts/list', route('discovery', 'own', 'local')],
  ['resources/list', route('discovery', 'own', 'local')],
  ['resources/templates/list', route('discovery', 'own', 'local')],
  ['subscriptions/listen', route('discovery', 'local', 'local', { endless: true })],
  ['$stream', route('discovery', 'local', 'local', { endless: true })],
  ['$end', route('discovery', 'local', 'local')],
  ['$approval', route('discovery', null, 'local')],
  ['resources/read', route('read', 'own', 'own', MEMBER)],
  ['resources/subscribe', route('read', 'local', 'local', MEMBER)],
  ['resources/unsubscribe', route('read', 'local', 'local', MEMBER)],
  ['prompts/get', route('read', 'own', 'own', MEMBER)],
  ['completion/complete', route('read', 'own', 'own', MEMBER)],
  ['tasks/get', route('write', null, null)],
  ['tasks/list', route('write', null, null)],
  ['tasks/result', route('write', null, null)],
  ['tasks/update', route('write', null, null)],
  ['tasks/cancel', route('write', null, null)],
]);

/** `notifications/*` and the client's responses: heard by the gateway, or passed to the mirrored server. */
export const HEARD = route('discovery', 'local', 'local');
/** A method nobody here knows: what it does is not known either. */
export const UNKNOWN = route('write', null, null);
