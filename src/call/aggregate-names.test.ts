import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsAggregate, isPage, namespaced, namespacedUri, ownerOfName, ownerOfUri } from './aggregate-names.ts';

const server = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.constantFrom('', '+', 'git+ssh://h/x', 'sp.other+file:///x', '__', 'a__b', 'file:///{+path}', '{scheme}://x', 'urn:isbn:1'));

describe('names', () => {
  test('come back as they were, whatever the server calls its things', () => {
    fc.assert(fc.property(server, anything, (s, name) => void expect(ownerOfName(namespaced(s, name))).toEqual({ server: s, name })));
  });
  test.each(['', 'read', '__read', '_', 'a_b'])('%j has no owner', (name) => expect(ownerOfName(name)).toBeNull());
  test.each([['a__b', true], ['x'.repeat(128), true], ['x'.repeat(129), false], ['', false], ['a__b c', false], ['a__é', false]])('%.20s fits: %j', (name, fits) => expect(fitsAggregate(name)).toBe(fits));
});

describe('URIs', () => {
  test('come back as they were, whatever the server calls its things', () => {
    fc.assert(fc.property(server, anything, (s, uri) => void expect(ownerOfUri(namespacedUri(s, uri))).toEqual({ server: s, name: uri })));
  });
  test('are URIs by RFC 3986 if they were, and their scheme is the only thing that changed', () => {
    fc.assert(fc.property(server, fc.webUrl(), (s, uri) => {
      const scheme = namespacedUri(s, uri).split(':')[0] ?? '';
      expect(scheme).toMatch(/^[A-Za-z][A-Za-z0-9+.-]*$/);
      expect(URL.parse(namespacedUri(s, uri))?.protocol).toBe(`${scheme}:`);
    }));
  });
  test.each(['', 'file:///x', 'sp.', 'sp.a', 'sp.+x', 'sp.A+x', 'sp.a_b+x', 'sp.-a+x', 'SP.a+x', ' sp.a+x', `sp.${'a'.repeat(33)}+x`, 'sp.a/../b+x'])('%j has no owner', (uri) => expect(ownerOfUri(uri)).toBeNull());
  test('two servers never share one', () => {
    fc.assert(fc.property(server, server, anything, anything, (a, b, x, y) => {
      fc.pre(a !== b);
      expect(namespacedUri(a, x)).not.toBe(namespacedUri(b, y));
      expect(namespaced(a, x)).not.toBe(namespaced(b, y));
    }));
  });
});

test.each([['ui://x', true], ['UI://x', true], [' ui:x', true], ['uid://x', false], ['sp.a+ui://x', false], ['file:///ui:', false]])('%j is a page: %j', (uri, is) => expect(isPage(uri)).toBe(is));
