/** What to do with the value a path leads to: look inside, note where it stands, or leave it. */
export type Interest = 'enter' | 'take' | 'skip';
/** A value that was noted. */
export interface Place {
  readonly path: readonly (string | number)[];
  readonly start: number;
  readonly end: number;
  /** With its key, as far as it must go to leave valid JSON behind. */
  readonly memberStart: number;
  readonly removal: { readonly start: number; readonly end: number };
  /** The object or array it stands in. */
  readonly parent: { readonly start: number; readonly end: number };
}
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Scan {
  readonly text: string;
  readonly want: (path: readonly (string | number)[], first: string) => Interest;
  readonly found: Place[];
  readonly path: (string | number)[];
}

/**
 * Where values stand in a JSON text, so that some can be changed without touching the other bytes: unknown fields, large numbers and
 * spelling survive. `text` is valid JSON (`JSON.parse` said so). `first` is the value's first character. Throws on nesting beyond 500.
 */
export function findPlaces(text: string, want: Scan['want']): Place[] {
  const scan: Scan = { text, want, found: [], path: [] };
  enter(scan, blank(text, 0));
  return scan.found;
}

/** Puts the edits in place; they must not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = '';
  let last = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    if (edit.start < last) throw new Error('edits overlap');
    result += text.slice(last, edit.start) + edit.text;
    last = edit.end;
  }
  return result + text.slice(last);
}

const MAX_DEPTH = 500;

/** Reads the value at `at`; returns the offset behind it. */
function enter(scan: Scan, at: number): number {
  const open = scan.text[at];
  if (open !== '{' && open !== '[') return endOf(scan.text, at);
  if (scan.path.length >= MAX_DEPTH) throw new Error('JSON is nested too deeply');
  const noted: { at: number; place: Omit<Place, 'parent'> }[] = [];
  let comma = -1;
  let index = 0;
  let i = blank(scan.text, at + 1);
  while (i < scan.text.length && scan.text[i] !== '}' && scan.text[i] !== ']') {
    const memberStart = i;
    let name: string | number = index++;
    if (open === '{') {
      const end = endOf(scan.text, i);
      name = String(JSON.parse(scan.text.slice(i, end)));
      i = blank(scan.text, blank(scan.text, end) + 1);
    }
    const start = i;
    scan.path.push(name);
    const interest = scan.want(scan.path, scan.text[i] ?? '');
    const end = interest === 'enter' ? enter(scan, i) : endOf(scan.text, i);
    i = blank(scan.text, end);
    const isLast = scan.text[i] !== ',';
    if (interest === 'take') {
      const removal = comma >= 0 ? { start: comma, end } : { start: memberStart, end: isLast ? end : blank(scan.text, i + 1) };
      noted.push({ at: scan.found.length, place: { path: [...scan.path], start, end, memberStart, removal } });
    }
    scan.path.pop();
    if (isLast) break;
    comma = i;
    i = blank(scan.text, i + 1);
  }
  for (const { place } of noted) scan.found.push({ ...place, parent: { start: at, end: i + 1 } });
  return i + 1;
}

function endOf(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === 34) return endOfString(text, at);
  let i = at;
  if (first !== 123 && first !== 91) {
    while (i < text.length && !',]} \t\r\n'.includes(text[i] ?? ',')) i++;
    return i;
  }
  for (let depth = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) i = endOfString(text, i) - 1;
    else if (code === 123 || code === 91) depth++;
    else if ((code === 125 || code === 93) && --depth === 0) return i + 1;
  }
  return text.length;
}
function endOfString(text: string, at: number): number {
  let i = at + 1;
  while (i < text.length && text.charCodeAt(i) !== 34) i += text.charCodeAt(i) === 92 ? 2 : 1;
  return i + 1;
}
function blank(text: string, at: number): number {
  let i = at;
  while (i < text.length && ' \t\r\n'.includes(text[i] ?? 'x')) i++;
  return i;
}
