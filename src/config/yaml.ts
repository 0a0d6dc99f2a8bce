import { LineCounter, type Document, type YAMLError, parseDocument } from 'yaml';
import type { Draft } from './fault.ts';
import { type Places, toPlain } from './plain.ts';

/** A YAML text as plain values, with the place of each and the faults of its form. */
export interface Source {
  readonly value: unknown;
  readonly places: Places;
  readonly faults: readonly Draft[];
  /** Offset of the first fault that leaves the tree unsure from there on; null when the tree is sound. */
  readonly brokenAt: number | null;
  readonly lines: LineCounter;
}

/** Larger than any config people write; a bound so that a wrong file name does not cost minutes (CWE-400). */
export const MAX_TEXT_BYTES = 1_048_576;

/**
 * Reads YAML 1.2, core schema. Never throws. Duplicate keys, unknown tags, other versions, several documents, aliases that grow out of
 * bounds are faults with a place. The library's own sentences are not shown, because some quote the text, which may be a secret.
 */
export function readYaml(text: string): Source {
  const lines = new LineCounter();
  const none: Places = new Map();
  const stop = (wrong: string, mend: string): Source => ({ value: null, places: none, faults: [{ path: [], wrong, mend, offset: 0 }], brokenAt: 0, lines });
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) return stop(`is larger than ${MAX_TEXT_BYTES} bytes`, '# a config file has some kilobytes; is this the right file?');
  let doc: Document.Parsed;
  try {
    // logLevel `silent` would also silence the fault of a second document, and drop that document.
    // uniqueKeys of the library compares every key with every other; toPlain finds duplicates in linear time, with both places.
    doc = parseDocument(text, { version: '1.2', schema: 'core', merge: false, strict: true, uniqueKeys: false, prettyErrors: false, lineCounter: lines, logLevel: 'error' });
  } catch {
    return stop('cannot be read as YAML; it is nested too deeply', '# write nested values in block style, one key per line');
  }
  const faults: Draft[] = [...doc.errors, ...doc.warnings.filter((each) => each.code !== 'TAG_RESOLVE_FAILED')].map(syntaxFault); // unknown tags are told by toPlain, with their path
  if (doc.directives.yaml.explicit === true && doc.directives.yaml.version !== '1.2') {
    faults.push({ path: [], wrong: 'only YAML 1.2 is read: in 1.1 `no` is a boolean and 1:30 a number', mend: '%YAML 1.2', offset: 0 });
  }
  const plain = toPlain(doc, (offset) => lines.linePos(offset).line);
  if (plain.overflow !== null) return { value: null, places: none, faults: [plain.overflow], brokenAt: 0, lines };
  const brokenAt = doc.errors.length === 0 ? null : doc.errors.reduce((first, error) => Math.min(first, error.pos[0]), Infinity);
  return { value: plain.value, places: plain.places, faults: [...faults, ...plain.faults], brokenAt, lines };
}

const FORM: Readonly<Partial<Record<YAMLError['code'], readonly [wrong: string, mend: string]>>> = {
  BAD_ALIAS: ['an alias (`*name`) has no anchor (`&name`) before it, or a text starts with `*`', 'key: "*"'],
  ALIAS_PROPS: ['an alias can have no tag or anchor of its own', 'key: *name'],
  BAD_DIRECTIVE: ['this directive is not known', '%YAML 1.2'],
  BAD_DQ_ESCAPE: ['this escape is not known in double quotes', "key: 'single quotes take \\ as it is'"],
  BAD_INDENT: ['the indentation does not fit the lines before', 'parent: { child: value }'],
  BAD_SCALAR_START: ['a plain text cannot start with this character', 'key: "quoted"'],
  TAB_AS_INDENT: ['a tab is used as indentation', 'parent: { child: value }'],
  TAG_RESOLVE_FAILED: ['this tag is not allowed or does not fit the value', 'key: "text without a tag"'],
  BAD_COLLECTION_TYPE: ['this tag does not fit the value', 'key: "text without a tag"'],
  MULTIPLE_DOCS: ['the file holds more than one document', '# keep one document; remove the `---` and what follows'],
  MULTIPLE_TAGS: ['a value has more than one tag', 'key: value'],
  MULTIPLE_ANCHORS: ['a value has more than one anchor', 'key: &name value'],
  MULTILINE_IMPLICIT_KEY: ['a key runs over several lines, or a quote or bracket is not closed', 'key: "value"'],
  BLOCK_AS_IMPLICIT_KEY: ['a second `: ` on one line; quote the value or start a new line', 'key: "a: b"'],
  BLOCK_IN_FLOW: ['an indented block stands inside brackets', 'key: [a, b]'],
  KEY_OVER_1024_CHARS: ['a key is longer than 1024 characters', 'key: value'],
  MISSING_CHAR: ['something is missing: a `:`, a comma, a closing quote or bracket', 'key: "value"'],
  UNEXPECTED_TOKEN: ['something stands here that YAML does not allow', 'key: "value"'],
  RESOURCE_EXHAUSTION: ['it is nested too deeply', '# write nested values in block style, one key per line'],
};
function syntaxFault(error: YAMLError): Draft {
  const [wrong, mend] = FORM[error.code] ?? ['this is not valid YAML', 'key: "value"'];
  return { path: [], wrong, mend, offset: error.pos[0] };
}
