import { applyEdits, type Edit, findPlaces, type Interest, type Place } from '../lib/json-edit.ts';

/** The parts of an answer that carry content (MCP tools/call, resources/read, prompts/get), and where they stand in its text. */
export interface Contents {
  /** String values a reader sees as text, the error message among them. */
  readonly texts: readonly Place[];
  /** Base64 of images, sound and files. */
  readonly blobs: readonly Place[];
  readonly structured: Place | null;
}

const ITEM = '(?:result/content/#|result/contents/#|result/messages/#/content(?:/#)?)(?:/resource)?';
const TEXT = new RegExp(`^(?:${ITEM}/text|error/message)$`);
const BLOB = new RegExp(`^${ITEM}/(?:data|blob)$`);
const WAY = new RegExp(`^(?:result|error|result/content|result/contents|result/messages|result/messages/#|${ITEM})$`);
const STRUCTURED = 'result/structuredContent';

/** Reads where the contents stand. `text` is the answer's JSON. */
export function contentsOf(text: string): Contents {
  const texts: Place[] = [];
  const blobs: Place[] = [];
  let structured: Place | null = null;
  for (const place of findPlaces(text, interest)) {
    const name = nameOf(place.path);
    if (name === STRUCTURED) structured = place;
    else (TEXT.test(name) ? texts : blobs).push(place);
  }
  return { texts, blobs, structured };
}

/** Texts inside `structuredContent` that may be cut; `mayCut` gets the path below it. */
export function structuredTexts(text: string, mayCut: (path: readonly (string | number)[]) => boolean): Place[] {
  return findPlaces(text, (path, first) => {
    if (path[0] !== 'result' || (path.length > 1 && path[1] !== 'structuredContent')) return 'skip';
    if (first !== '"') return 'enter';
    return path.length > 2 && mayCut(path.slice(2)) ? 'take' : 'skip';
  });
}

const nameOf = (path: readonly (string | number)[]): string => path.map((step) => (typeof step === 'number' ? '#' : step)).join('/');

function interest(path: readonly (string | number)[], first: string): Interest {
  if (path.length > 7) return 'skip';
  const name = nameOf(path);
  if (name === STRUCTURED) return 'take';
  if (first === '"') return TEXT.test(name) || BLOB.test(name) ? 'take' : 'skip';
  return WAY.test(name) ? 'enter' : 'skip';
}

/** Changes every text; what returns the same string keeps its bytes. The result is the same string when nothing changed. */
export function changeTexts(text: string, change: (value: string) => string): string {
  return applyAll(text, contentsOf(text).texts, change);
}
/** The same for every string value of a message, wherever it stands. */
export function changeStrings(text: string, change: (value: string) => string): string {
  return applyAll(text, findPlaces(text, (_, first) => (first === '"' ? 'take' : 'enter')), change);
}
function applyAll(text: string, places: readonly Place[], change: (value: string) => string): string {
  const edits: Edit[] = [];
  for (const { start, end } of places) {
    const value = String(JSON.parse(text.slice(start, end)));
    const changed = change(value);
    if (changed !== value) edits.push({ start, end, text: JSON.stringify(changed) });
  }
  return edits.length === 0 ? text : applyEdits(text, edits);
}
