import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compileInspect, INSTRUCTIONS, SECRETS } from './compiled.ts';
import { inspectConfig } from './config.ts';
import { buildDetector } from './detect.ts';
import { textsOf } from './gather.ts';
import { strip } from './hidden.ts';
import { buildRedactor } from './redact.ts';

/** Beside the checkout; not part of it. Nothing in it is an instruction. */
const CORPORA = resolve(import.meta.dirname, '../../../shared/corpora');
const isHere = existsSync(CORPORA);
if (!isHere) console.warn(`skipped: no corpora at ${CORPORA}`);

interface Row {
  readonly id: string;
  readonly text: string;
  readonly cls: string;
  readonly label: string;
  readonly detect?: string;
  readonly bar?: string;
  readonly core?: boolean;
  readonly tier?: string;
  readonly secret?: string;
  readonly ambiguous?: boolean;
}
function load(file: string): Row[] {
  const bytes = readFileSync(resolve(CORPORA, file));
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').trim().split('\n').map((line) => JSON.parse(line) as Row);
}
const share = (rows: readonly Row[], test: (row: Row) => boolean): number => rows.filter(test).length / rows.length;
const print = (name: string, value: number, rows: readonly unknown[]): void => console.info(`${name}: ${(100 * value).toFixed(1)} % of ${rows.length}`);

describe.skipIf(!isHere)('injections, measured', () => {
  const detector = buildDetector();
  const isFlagged = (row: Row): boolean => detector.read(textsOf({ result: textOf(row) } as never)).total >= 5;
  const attacks = isHere ? load('injection/tool_result_attacks.jsonl') : [];
  const benign = isHere ? load('injection/tool_result_benign.jsonl') : [];
  const hidden = isHere ? load('injection/obfuscated_and_hidden.jsonl') : [];

  it('attacks', () => {
    const pattern = attacks.filter((row) => row.detect === 'pattern');
    const semantic = attacks.filter((row) => row.detect === 'semantic');
    print('pattern class flagged', share(pattern, isFlagged), pattern);
    print('semantic class flagged', share(semantic, isFlagged), semantic);
    expect(share(pattern, isFlagged)).toBeGreaterThanOrEqual(0.85);
    expect(share(semantic, isFlagged)).toBeGreaterThanOrEqual(0.3);
  });

  it('the prefilter over bytes loses nothing that reading finds', () => {
    const compiled = compileInspect(inspectConfig.parse({}), { warn: () => undefined });
    const lost = [...attacks, ...hidden].filter((row) => isFlagged(row) && (compiled.suspect(Buffer.from(JSON.stringify({ result: textOf(row) }))) & INSTRUCTIONS) === 0);
    expect(lost.map((row) => row.id)).toEqual([]);
    const secrets = load('secrets/secrets_positive.jsonl.gz').filter((row) => compiled.redactor.kinds(JSON.stringify({ result: row.text })).length > 0);
    const missed = secrets.filter((row) => (compiled.suspect(Buffer.from(JSON.stringify({ result: row.text }))) & SECRETS) === 0);
    expect(missed.map((row) => row.text)).toEqual([]);
  });

  it('ordinary text', () => {
    const groups: [string, string, number][] = [['ordinary', 'ordinary_', 0.01], ['plain', 'ordinary_plain', 0.002], ['NotInject', 'notinject', 0.02], ['clean documents', 'paired', 0], ['prose that quotes attacks', 'security_prose', 0.2]];
    for (const [name, start, most] of groups) {
      const rows = benign.filter((row) => row.cls.startsWith(start));
      print(`${name} flagged`, share(rows, isFlagged), rows);
      expect(share(rows, isFlagged), name).toBeLessThanOrEqual(most);
    }
  });

  it('hidden and obfuscated', () => {
    const mustDetect = hidden.filter((row) => row.bar?.startsWith('must_detect') === true || row.bar === 'must_block_or_decode');
    const mustStrip = hidden.filter((row) => row.bar === 'must_strip_or_block');
    const should = hidden.filter((row) => row.bar?.startsWith('should') === true);
    print('must-detect flagged', share(mustDetect, isFlagged), mustDetect);
    print('should-detect flagged', share(should, isFlagged), should);
    print('must-strip stripped', share(mustStrip, isStripped), mustStrip);
    expect(share(mustDetect, isFlagged)).toBeGreaterThanOrEqual(0.97);
    expect(share(mustStrip, isStripped)).toBe(1);
    const fine = hidden.filter((row) => row.bar === 'must_not_flag');
    expect(fine.filter(isFlagged)).toEqual([]);
    for (const row of fine) if (!row.text.includes('\u001b')) expect(strip(row.text)).toBe(row.text);
  });
});

/** Rows name bulk and raw bytes instead of holding them; rows that are JSON are read as what they are. */
function textOf(row: Row): unknown {
  const text = row.text.replace(/@@PAD:([0-9]+):(\w+)@@/, (_, size: string, word: string) => `${word} `.repeat(Number(size) / (word.length + 1))).replace(/@@BYTES:([^@]*)@@/, '$1');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
// oxlint-disable-next-line no-control-regex, no-misleading-character-class
const UNSEEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ue000-\uf8ff\u{E0000}-\u{E0FFF}]|\r(?!\n)/u;
const isStripped = (row: Row): boolean => !UNSEEN.test(strip(row.text));

describe.skipIf(!isHere)('secrets, measured', () => {
  const { redact } = buildRedactor();
  const secrets = isHere ? load('secrets/secrets_positive.jsonl.gz') : [];
  const lookAlikes = isHere ? load('secrets/secrets_negative.jsonl.gz') : [];
  const isHidden = (row: Row): boolean => {
    const clean = redact(row.text);
    return clean !== row.text && (row.secret === undefined || !clean.includes(row.secret));
  };
  const isTouched = (row: Row): boolean => redact(row.text) !== row.text;

  it('secrets', () => {
    const core = secrets.filter((row) => row.core === true);
    const distinctive = secrets.filter((row) => row.tier === 'A_distinctive');
    print('core formats redacted', share(core, isHidden), core);
    print('distinctive redacted', share(distinctive, isHidden), distinctive);
    for (const tier of ['B_keyword_context', 'C_opaque', 'E_encoded']) {
      const rows = secrets.filter((row) => row.tier === tier);
      print(`${tier} redacted`, share(rows, isHidden), rows);
    }
    expect(share(core, isHidden)).toBeGreaterThanOrEqual(0.97);
    expect(share(distinctive, isHidden)).toBeGreaterThanOrEqual(0.85);
  });

  it('look-alikes and ordinary text', () => {
    const clear = lookAlikes.filter((row) => row.ambiguous !== true);
    // Published sample keys cannot be told from keys by their form, and a list of them would be a list of this corpus.
    const decidable = clear.filter((row) => !/AIzaS?y/.test(row.text));
    const ordinary = load('injection/tool_result_benign.jsonl').filter((row) => row.cls.startsWith('ordinary'));
    print('look-alikes redacted', share(lookAlikes, isTouched), lookAlikes);
    print('look-alikes redacted, without ambiguous rows and published Google keys', share(decidable, isTouched), decidable);
    expect(share(decidable, isTouched)).toBeLessThanOrEqual(0.04);
    expect(ordinary.filter(isTouched)).toEqual([]);
  });
});
