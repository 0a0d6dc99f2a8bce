import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldKey, parseStrict } from './strict-json.ts';

const limits = { maxDepth: 64 };
const fault = (text: string): string => {
  const strict = parseStrict(text, limits);
  return strict.ok ? 'ok' : strict.fault;
};
const pointers = (text: string): string[] => {
  const strict = parseStrict(text, limits);
  return strict.ok ? strict.inexact.map((n) => `${n.pointer} ${n.literal}`) : [strict.fault];
};

describe('parseStrict', () => {
  it('gives what JSON.parse gives, for every value it accepts', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1, 2), (text, indent) => {
        const written = JSON.stringify(JSON.parse(text), null, indent);
        const strict = parseStrict(written, limits);
        if (strict.ok) expect(strict.value).toEqual(JSON.parse(written));
        else expect(['duplicate_key', 'prototype_key']).toContain(strict.fault);
        const again = parseStrict(written, limits, Buffer.from(written));
        expect(again).toEqual(strict);
      }),
      { numRuns: 300 },
    );
  });
  it('reads long strings as short ones, wherever an escape stands in them', () => {
    const text = fc.array(fc.constantFrom('x'.repeat(40), 'y'.repeat(90), '\\"', '\\\\', '\\u00e9', 'é', ',{"a":'), { maxLength: 8 }).map((parts) => `"${parts.join('').replaceAll(',{"a":', ',{\\"a\\":')}"`);
    fc.assert(
      fc.property(fc.array(text, { maxLength: 5 }), text, (list, last) => {
        const written = `{"list":[${list.join()}],"last":${last},"n":1e400}`;
        const strict = parseStrict(written, limits);
        expect(strict.ok && strict.value).toEqual(JSON.parse(written));
        expect(pointers(written)).toEqual(['/n 1e400']); // what comes behind is seen where it stands
        expect(fault(`${written.slice(0, -1)},"N":1}`)).toBe('duplicate_key');
        expect(fault(written.slice(0, -12))).toBe('json');
      }),
      { numRuns: 300 },
    );
    for (const pad of [0, 30, 46, 47, 48, 49, 50, 100]) {
      const long = 'x'.repeat(pad);
      expect(fault(`["${long}\\ud800${long}"]`)).toBe('json');
      expect(fault(`["${long}\\ud83d\\ude00${long}"]`)).toBe('ok');
      expect(fault(`["${long}\\"${long}]`)).toBe('json');
    }
  });
  it('refuses whatever JSON.parse refuses and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', 'u', '0', '1', 'e', '-', '.', 'a', ' ') }), (text) => {
        const strict = parseStrict(text, limits);
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (!valid) expect(strict.ok).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
  it.each(['', ' ', '\ufeff{}', 'NaN', '{a:1}', "{'a':1}", '[1,]', '{"a":1}x', '01', '"\\ud800"', '"\\udc00\\ud800"', '"\ud800"', '"\\ud800\\u0041"', '{"\\ud800":1}', '{"a', '"\\u12'])('refuses %j as json', (text) => {
    expect(fault(text)).toBe('json');
  });
  it('takes paired surrogates, escaped or not', () => {
    expect(fault('["\\ud83d\\ude00","😀",{"\\uD83D\\uDE00":1}]')).toBe('ok');
  });

  // One body, two readings: Go folds case, Python takes the last, some take the first (CVE-2026-27896, CVE-2017-12635).
  it.each([
    '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"name":1,"Name":2}', '{"s":1,"ſ":2}', '{"k":1,"\u212a":2}', '{"é":1,"É":2}', '{"x":{"a":1,"b":{},"A":2}}', '[[{"a":1},{"a":1,"b":[{}],"a":1}]]', '{"":1,"":2}',
    `{${Array.from({ length: 40 }, (_, i) => `"k${i}":1`).join()},"K7":1}`, `{${Array.from({ length: 40 }, (_, i) => `"k${i}":1`).join()},"\\u006b7":1}`, '{"ẞ":1,"ß":2}', '{"\\u0061":1,"a":2}', '{"é":1,"e\u0301":2}',
  ])('finds the duplicate in %s', (text) => {
    expect(fault(text)).toBe('duplicate_key');
  });
  it.each(['{"a":{"a":1},"b":{"a":1}}', '[{"a":1},{"a":1}]', '{"a":"a","b":"a"}', '{"a":["a","a"],"A1":1}', '{"ab":1,"ba":1,"aab":2}', '{"a~":1,"a^":2,"a@":3,"a`":4}'])('finds none in %s', (text) => {
    expect(fault(text)).toBe('ok');
  });
  it('agrees with a slow search for duplicates', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'A', 'b', 'k', '\u212a', 'ſ', 's', '"', '\\') , maxLength: 2 });
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.constantFrom('1', '{}', '[{"a":1}]', '{"b":[1]}')), { maxLength: 24 }), fc.boolean(), (members, escape) => {
        const quote = (k: string): string => (escape ? `"${[...k].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"` : JSON.stringify(k));
        const text = `{${members.map(([k, v]) => `${quote(k)}:${v}`).join()}}`;
        const distinct = new Set(members.map(([k]) => foldKey(k))).size === members.length;
        expect(fault(text)).toBe(distinct ? 'ok' : 'duplicate_key');
      }),
      { numRuns: 1000 },
    );
  });
  it('folds everything that Unicode simple folding folds', () => {
    const cased: string[] = [];
    for (let c = 0; c < 0x1_ffff; c++) {
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const s = String.fromCodePoint(c);
      if (s.toLowerCase() !== s || s.toUpperCase() !== s) cased.push(s);
    }
    const missed: string[] = [];
    const all = cased.join('');
    for (const a of cased) {
      for (const b of all.match(new RegExp(a, 'giu')) ?? []) if (foldKey(a) !== foldKey(b)) missed.push(`${a} ${b}`);
    }
    expect(missed).toEqual([]);
  });

  it.each(['{"__proto__":1}', '[{"a":{"\\u005f_proto__":{}}}]', '{"constructor":{"prototype":{}}}', '{"constructor":{"constructor":{},"prototype":1}}'])('refuses %s (CWE-1321)', (text) => {
    expect(fault(text)).toBe('prototype_key');
  });
  it.each(['{"constructor":"x","prototype":1}', '{"prototype":{}}', '{"constructor":[{"prototype":1}]}', '{"constructor":{"a":{"prototype":1}}}'])('takes %s', (text) => {
    expect(fault(text)).toBe('ok');
  });

  it('counts depth exactly and fast', () => {
    expect(fault('['.repeat(64) + ']'.repeat(64))).toBe('ok');
    expect(fault('['.repeat(65) + ']'.repeat(65))).toBe('depth');
    expect(fault('{"a":'.repeat(65) + '1' + '}'.repeat(65))).toBe('depth');
    const started = performance.now();
    expect(fault('['.repeat(4_000_000))).toBe('depth');
    expect(performance.now() - started).toBeLessThan(200);
  });
  it('refuses objects with too many keys', () => {
    const text = `{${Array.from({ length: 1001 }, (_, i) => `"k${i}":1`).join()}}`;
    expect(parseStrict(text, { maxDepth: 64, maxKeys: 1001 }).ok).toBe(true);
    expect(parseStrict(text, { maxDepth: 64, maxKeys: 1000 })).toMatchObject({ ok: false, fault: 'keys' });
  });

  it('names the numbers a double cannot hold', () => {
    expect(pointers('{"params":{"a":9007199254740993,"b":[1,2,{"c/d~":1e400}],"é":[0.1,123456789012345678901234567890]}}')).toEqual([
      '/params/a 9007199254740993', '/params/b/2/c~1d~0 1e400', '/params/é/1 123456789012345678901234567890',
    ]);
    expect(pointers('[9007199254740992,-0,1E+2,0.1,1.0,100000000000000000000,1.7976931348623157e308,5e-324,0.30000000000000004,0e99,1.50e1]')).toEqual([]);
    expect(pointers('[18446744073709551615,1e-400,-1e309,0.1234567890123456789,4.9e-324]')).toHaveLength(5);
    expect(pointers('9007199254740993')).toEqual([' 9007199254740993']);
  });
  it('agrees with BigInt on integers', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (n) => {
        const exact = pointers(`[${n}]`).length === 0;
        if (exact) expect(BigInt(Number(n))).toBe(n);
        else expect(BigInt(String(Number(n)).includes('e') ? 0 : String(Number(n)))).not.toBe(n);
      }),
    );
  });

  it('gives the spans of the objects others cut out', () => {
    const text = '{ "id":1, "params" : { "x":{"arguments":{"no":1}}, "arguments": { "é" : [1, {"a":2}] } , "y":1 }, "arguments":{}, "inputs":{"i":1}, "result" : {"r":{}} }';
    const strict = parseStrict(text, limits);
    if (!strict.ok) throw new Error(strict.fault);
    const cut = (span: { start: number; end: number } | null): string | null => (span === null ? null : text.slice(span.start, span.end));
    expect(cut(strict.spans.arguments)).toBe('{ "é" : [1, {"a":2}] }');
    expect(cut(strict.spans.params)).toBe('{ "x":{"arguments":{"no":1}}, "arguments": { "é" : [1, {"a":2}] } , "y":1 }');
    expect(cut(strict.spans.inputs)).toBe('{"i":1}');
    expect(cut(strict.spans.result)).toBe('{"r":{}}');
    for (const none of ['{"params":[{"arguments":{}}]}', '[{"params":{"arguments":{}}}]', '{"params":null,"x":{"arguments":{}}}', '{"params":{"arguments":[{}]}}']) {
      const other = parseStrict(none, limits);
      expect(other.ok && other.spans.arguments).toBe(null);
    }
  });
});
