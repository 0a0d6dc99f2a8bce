/** What stands where a value of the gateway's own stood. */
const HIDDEN = '[redacted:own_credential]';
/** A shorter value would be found by accident in texts that have nothing to do with it. */
const SHORTEST = 8;
/** So many values of one reference are remembered: after a rotation servers and processes still hold the older ones. */
const KEPT = 4;

/** Every value that was handed out, so that none comes back into a record, a log or an answer (CWE-532, CWE-201). */
export interface Seen {
  readonly add: (ref: string, value: string) => void;
  /** Tells the values behind these references as they would stand in text: as they are, and as JSON writes them. Null: all of them. */
  readonly formsOf: (refs: readonly string[] | null) => () => readonly string[];
  /** The text without them; the same string when there is none. */
  readonly hide: (text: string) => string;
}

export function createSeen(): Seen {
  const values = new Map<string, readonly string[]>(); // as many entries as the config has references
  let version = 0;
  let pattern: RegExp | null = null;
  const formsNow = (refs: Iterable<string>): readonly string[] => {
    const found = [...refs].flatMap((ref) => values.get(ref) ?? []).flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]);
    return [...new Set(found)].toSorted((a, b) => b.length - a.length); // one may begin with another
  };
  return {
    add: (ref, value) => {
      const known = values.get(ref) ?? [];
      if (value.length < SHORTEST || known[0] === value) return;
      values.set(ref, [value, ...known.filter((other) => other !== value)].slice(0, KEPT));
      version++;
      pattern = new RegExp(formsNow(values.keys()).map((form) => RegExp.escape(form)).join('|'), 'g');
    },
    formsOf: (refs) => {
      let made = 0;
      let forms: readonly string[] = [];
      return () => {
        if (made === version) return forms;
        made = version;
        return (forms = formsNow(refs ?? values.keys()));
      };
    },
    hide: (text) => (pattern === null ? text : text.replace(pattern, HIDDEN)),
  };
}
