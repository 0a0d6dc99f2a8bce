import { applyEdits, type Edit, type Place } from '../lib/json-edit.ts';
import { contentsOf, structuredTexts } from './contents.ts';

export interface Cut {
  readonly text: string;
  readonly droppedBytes: number;
}

/** Room for the marker, its number and the quotes. */
const MARKER_BYTES = 72;
const marker = (bytes: number): string => `[truncated by the gateway: ${bytes} bytes dropped]`;
const sizeOf = (text: string): number => Buffer.byteLength(text);

/** What may be done to `structuredContent`: taken out, or texts in it cut where the tool's output schema asks for any text; by path below it. */
export type Structured = 'drop' | ((path: readonly (string | number)[]) => boolean);

/**
 * Makes an answer fit into `maxBytes` so that it stays a valid message (MISSION C3): files and images go whole (half a base64 is
 * none), then `structuredContent` if nobody relies on it, then the longest texts are cut to one length, between two characters. null: it
 * cannot be made to fit, because the rest is not content.
 */
export function cutToFit(text: string, maxBytes: number, structured: Structured): Cut | null {
  const before = sizeOf(text);
  const contents = contentsOf(text);
  const edits: Edit[] = [];
  let over = before - maxBytes;
  const add = (edit: Edit): void => {
    edits.push(edit);
    over -= sizeOf(text.slice(edit.start, edit.end)) - sizeOf(edit.text);
  };
  for (const place of contents.blobs.toSorted((a, b) => b.end - b.start - (a.end - a.start))) if (over > 0) add(withoutBlob(text, place, contents.texts));
  if (over > 0 && contents.structured !== null && structured === 'drop' && contents.texts.length > 0) add({ ...contents.structured.removal, text: '' });
  const cutItems = new Set(edits.map((edit) => edit.start));
  const texts = [...contents.texts.filter((place) => !cutItems.has(place.parent.start)), ...(structured === 'drop' ? [] : structuredTexts(text, structured))];
  if (over > 0) for (const edit of level(text, texts, over)) add(edit);
  const cut = applyEdits(text, edits);
  return sizeOf(cut) > maxBytes ? null : { text: cut, droppedBytes: before - sizeOf(cut) };
}

/** Cuts as few of the longest texts as will do, all to the same length: what stands twice (as text and as structure) stays alike. */
function level(text: string, places: readonly Place[], over: number): Edit[] {
  const sized = places.map((place) => ({ place, size: sizeOf(text.slice(place.start, place.end)) })).toSorted((a, b) => b.size - a.size);
  let sum = 0;
  for (const [i, { size }] of sized.entries()) {
    sum += size;
    const room = Math.floor((sum - over) / (i + 1)) - MARKER_BYTES;
    if (room >= (sized[i + 1]?.size ?? 0) || i === sized.length - 1) return sized.slice(0, i + 1).map((each) => shorten(text, each.place, Math.max(0, room)));
  }
  return [];
}

/** An image becomes a text item that says so; a resource keeps its address and says so in place of its bytes. */
function withoutBlob(text: string, place: Place, texts: readonly Place[]): Edit {
  const note = JSON.stringify(`[removed by the gateway: ${place.end - place.start - 2} bytes of base64]`);
  if (place.path.at(-1) === 'data') return { ...place.parent, text: `{"type":"text","text":${note}}` };
  const hasText = texts.some((other) => other.parent.start === place.parent.start);
  return hasText ? { start: place.start, end: place.end, text: '""' } : { start: place.memberStart, end: place.end, text: `"text":${note}` };
}

function shorten(text: string, place: Place, room: number): Edit {
  const value = String(JSON.parse(text.slice(place.start, place.end)));
  const kept = prefix(value, room);
  const mark = marker(sizeOf(value.slice(kept.length)));
  return { start: place.start, end: place.end, text: JSON.stringify(kept + mark) };
}

/** As many characters as take at most `room` bytes when written as JSON; never half a surrogate pair. */
function prefix(value: string, room: number): string {
  let used = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    const isPair = code >= 0xd800 && code <= 0xdbff && i + 1 < value.length && (value.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
    const size = isPair ? 4 : code < 32 || (code >= 0xd800 && code <= 0xdfff) ? 6 : code === 34 || code === 92 ? 2 : code < 128 ? 1 : code < 0x800 ? 2 : 3;
    if (used + size > room) return value.slice(0, i);
    used += size;
    if (isPair) i++;
  }
  return value;
}
