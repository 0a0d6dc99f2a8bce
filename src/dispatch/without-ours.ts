import type { Journaled, Message } from '../call/call.ts';
import { isObject, type Json } from '../call/json.ts';
import { cutAt, membersOf, splice, without } from '../lib/json-spans.ts';

const ANSWERS = ['inputResponses', 'requestState'] as const;
const OURS = 'sallyport/';

/**
 * The call as its server may know of it: without what was between client and gateway. Reasons, tickets and answers to the gateway's own
 * questions are the user's words for his own people, and a server that read them could ask for more in the gateway's name (CWE-200,
 * CWE-201). The call itself where there is nothing of the kind: nearly always.
 */
export function withoutOurs(call: Journaled): Journaled {
  const { message } = call;
  const isAnswered = call.answersUs === true;
  // The own lane makes its own `_meta`, REST has none on the wire.
  const hasMeta = call.target.lane === 'mirror' && hasOurs(message.params['_meta']);
  if (!isAnswered && !hasMeta) return call;
  const cut = cutAt(message.text, ['params']);
  // Not where it was read: a differing parser, never forward.
  if (cut === null) throw new Error('the params do not stand where they were read');
  let text = message.text.slice(cut.start, cut.end);
  if (isAnswered) text = without(text, ANSWERS);
  if (hasMeta) text = withoutMeta(text);
  return { ...call, message: rewritten(message, splice(message.text, cut, text), isAnswered) };
}

/** In whatever case: servers that fold it would read it (CVE-2026-27896). */
const isOurs = (key: string): boolean => key.length > OURS.length && key.charCodeAt(OURS.length - 1) === 47 && key.slice(0, OURS.length).toLowerCase() === OURS;
function hasOurs(meta: Json | undefined): boolean {
  if (!isObject(meta)) return false;
  for (const key in meta) if (isOurs(key)) return true;
  return false;
}

function withoutMeta(params: string): string {
  const meta = cutAt(params, ['_meta']);
  if (meta === null) throw new Error('_meta does not stand where it was read');
  const said = params.slice(meta.start, meta.end);
  const names = membersOf(said).map(({ name }) => name);
  const kept = without(said, names.filter(isOurs));
  return kept === '{}' ? without(params, ['_meta']) : splice(params, meta, kept);
}

/** The arguments keep their text, so what was judged is still what is sent. */
function rewritten(message: Message, text: string, isAnswered: boolean): Message {
  const params: Record<string, Json> = { ...message.params };
  if (isAnswered) for (const name of ANSWERS) delete params[name];
  const meta = params['_meta'];
  if (isObject(meta)) {
    const kept = Object.entries(meta).filter(([key]) => !isOurs(key));
    if (kept.length > 0) params['_meta'] = Object.fromEntries(kept);
    else delete params['_meta'];
  }
  return { ...message, params, text, bytes: Buffer.from(text) };
}
