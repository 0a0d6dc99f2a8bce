/** What a scan found: the numbers of the patterns, or'ed. */
export interface Pattern {
  readonly text: string;
  /** Handed back on a hit. In `flags` the values are or'ed, so give bits there. */
  readonly value: number;
}
export interface Automaton {
  /**
   * The values of all patterns in these bytes of JSON, or'ed. Stops early once all of `wanted` are there. Escaped line ends and tabs
   * are skipped, so that a line break does not part a pattern in two.
   */
  readonly flags: (bytes: Uint8Array, wanted: number) => number;
  /** Calls back for every occurrence; `end` is the offset after its last character. */
  readonly each: (text: string, hit: (value: number, end: number) => void) => void;
}
export interface Folding {
  /** The character a character counts as, in patterns and texts alike; one code unit each. */
  readonly fold: (code: number) => number;
  /** True for what may stand between the characters of a pattern without breaking it. */
  readonly skip: (code: number) => boolean;
}

/**
 * Aho-Corasick: all patterns in one pass, one table look-up per character whatever the number of patterns, so no input can make it
 * slow (CWE-1333). Patterns lose their skipped characters; no pattern may be empty.
 */
export function buildAutomaton(patterns: readonly Pattern[], folding: Folding): Automaton {
  const symbols = symbolsOf(patterns, folding);
  const trie = growTrie(patterns, symbols);
  return compile(trie, symbols);
}

interface Symbols {
  /** Symbol by code unit below 256: 0 is "no pattern has it", SKIP leaves the state as it is. */
  readonly low: Uint16Array;
  readonly high: ReadonlyMap<number, number>;
  readonly width: number;
  readonly folding: Folding;
}
const NONE = 0, SKIP = 1;
const BACKSLASH = 92, SMALL_N = 110, SMALL_R = 114, SMALL_T = 116;

function symbolsOf(patterns: readonly Pattern[], folding: Folding): Symbols {
  const numbers = new Map<number, number>();
  for (const { text } of patterns) {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (folding.skip(code)) continue;
      const folded = folding.fold(code);
      if (!numbers.has(folded)) numbers.set(folded, numbers.size + 2);
    }
  }
  const symbolOf = (code: number): number => (folding.skip(code) ? SKIP : (numbers.get(folding.fold(code)) ?? NONE));
  const low = new Uint16Array(256);
  for (let code = 0; code < 256; code++) low[code] = symbolOf(code);
  const high = new Map<number, number>();
  for (let code = 256; code < 65_536; code++) {
    const symbol = symbolOf(code);
    if (symbol !== NONE) high.set(code, symbol);
  }
  return { low, high, width: numbers.size + 2, folding };
}

interface State {
  readonly next: Map<number, State>;
  readonly values: number[];
  fail: State | null;
  id: number;
}

/** The states in breadth-first order, fail links set, values collected along them. */
function growTrie(patterns: readonly Pattern[], symbols: Symbols): State[] {
  const root: State = { next: new Map(), values: [], fail: null, id: 0 };
  for (const { text, value } of patterns) {
    let state = root;
    for (let i = 0; i < text.length; i++) {
      const symbol = symbolAt(symbols, text.charCodeAt(i));
      if (symbol === SKIP) continue;
      let next = state.next.get(symbol);
      if (next === undefined) state.next.set(symbol, (next = { next: new Map(), values: [], fail: root, id: 0 }));
      state = next;
    }
    if (state === root) throw new Error('an empty pattern is everywhere');
    if (!state.values.includes(value)) state.values.push(value);
  }
  const order = [root];
  for (const state of order) {
    for (const [symbol, child] of state.next) {
      let fail = state.fail;
      while (fail !== null && !fail.next.has(symbol)) fail = fail.fail;
      child.fail = fail?.next.get(symbol) ?? root;
      for (const value of child.fail.values) if (!child.values.includes(value)) child.values.push(value);
      order.push(child);
    }
  }
  return order;
}

const symbolAt = (symbols: Symbols, code: number): number => (code < 256 ? (symbols.low[code] ?? NONE) : (symbols.high.get(code) ?? NONE));

/** Numbers the silent states first, so that "is this a hit" is one comparison, and stores rows by offset. */
function compile(states: readonly State[], symbols: Symbols): Automaton {
  const { width } = symbols;
  const silent = states.filter((state) => state.values.length === 0);
  const loud = states.filter((state) => state.values.length > 0);
  [...silent, ...loud].forEach((state, id) => (state.id = id));
  const table = new Int32Array(states.length * width);
  for (const state of states) fillRow(table, state, width);
  const firstLoud = silent.length * width;
  const values = loud.map((state) => state.values);
  const ored = Int32Array.from(values, (list) => list.reduce((sum, value) => sum | value, 0));
  const low = symbols.low;
  const flags = (bytes: Uint8Array, wanted: number): number => {
    let state = 0;
    let found = 0;
    for (let i = 0; i < bytes.length; i++) {
      const code = bytes[i]!;
      if (code === BACKSLASH) {
        const next = bytes[i + 1];
        if (next === SMALL_N || next === SMALL_R || next === SMALL_T) {
          i++;
          continue;
        }
        if (next === BACKSLASH) i++;
      }
      state = table[state + low[code]!]!;
      if (state >= firstLoud) {
        found |= ored[(state - firstLoud) / width]!;
        if ((found & wanted) === wanted) return found;
      }
    }
    return found;
  };
  const each = (text: string, hit: (value: number, end: number) => void): void => {
    let state = 0;
    for (let i = 0; i < text.length; i++) {
      const symbol = symbolAt(symbols, text.charCodeAt(i));
      state = table[state + symbol]!;
      if (state < firstLoud || symbol === SKIP) continue;
      for (const value of values[(state - firstLoud) / width]!) hit(value, i + 1);
    }
  };
  return { flags, each };
}

/** Breadth-first numbering is lost, but a state's fail state is always shallower, so rows are filled through it recursively. */
function fillRow(table: Int32Array, state: State, width: number): void {
  for (let symbol = 0; symbol < width; symbol++) {
    let at: State | null = state;
    if (symbol === NONE) at = null;
    else if (symbol !== SKIP) while (at !== null && !at.next.has(symbol)) at = at.fail;
    const target = symbol === SKIP ? state : at?.next.get(symbol);
    table[state.id * width + symbol] = (target?.id ?? 0) * width;
  }
}
