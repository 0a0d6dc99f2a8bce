/** Where a value stands in the text: `text.slice(start, end)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}
/** A number a double cannot carry: more digits than survive, overflow or underflow. `pointer` is from the root (RFC 6901). */
export interface Inexact {
  readonly pointer: string;
  readonly literal: string;
}

/** One open container: its pointer, and for arrays the index of the item being read, for objects -1. */
interface Place {
  readonly pointer: string;
  index: number;
  key: string;
  expectKey: boolean;
}

/** The JSON Pointers (RFC 6901) of the literals at these ascending offsets. `text` is valid JSON. Off the hot path. */
export function pointersAt(text: string, offsets: readonly number[]): Inexact[] {
  const found: Inexact[] = [];
  const places: Place[] = [];
  let next = 0;
  for (let i = 0; i < text.length && next < offsets.length; i++) {
    const place = places[places.length - 1];
    if (i === offsets[next]) {
      const end = endOfScalar(text, i);
      found.push({ pointer: pointerOf(place), literal: text.slice(i, end) });
      next++;
      i = end - 1;
      continue;
    }
    const c = text[i];
    if (c === '{' || c === '[') places.push({ pointer: pointerOf(place), index: c === '[' ? 0 : -1, key: '', expectKey: c === '{' });
    else if (c === '}' || c === ']') places.pop();
    else if (c === ',' && place !== undefined) {
      if (place.index >= 0) place.index++;
      else place.expectKey = true;
    } else if (c === '"') {
      const end = endOfString(text, i);
      if (place?.expectKey === true) {
        place.key = keyAt(text, i, end);
        place.expectKey = false;
      }
      i = end - 1;
    }
  }
  return found;
}

function pointerOf(place: Place | undefined): string {
  if (place === undefined) return '';
  return place.index >= 0 ? `${place.pointer}/${place.index}` : `${place.pointer}/${place.key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) return i + 1;
    if (c === 92) i++;
  }
  return text.length;
}

function endOfScalar(text: string, at: number): number {
  let i = at;
  while (i < text.length && !',]} \t\r\n'.includes(text[i] ?? ',')) i++;
  return i;
}

function keyAt(text: string, start: number, end: number): string {
  const plain = text.slice(start + 1, end - 1);
  return plain.includes('\\') ? String(JSON.parse(text.slice(start, end))) : plain;
}
