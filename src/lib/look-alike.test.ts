import { expect, test } from 'vitest';
import { mixesScripts, skeleton } from './look-alike.ts';

test.each([['pаypal', 'paypal'], ['ADMIN', 'admin'], ['ａdmin', 'admin'], ['ad\u200bmin', 'admin'], ['ádmin', 'admin'], ['a‐b', 'a-b']])('%s is drawn like %s', (a, b) => expect(skeleton(a)).toBe(skeleton(b)));
test.each([['reed', 'read'], ['a1', 'al']])('%s is not drawn like %s', (a, b) => expect(skeleton(a)).not.toBe(skeleton(b)));
test.each([['pаypal', true], ['αbc', true], ['Ꭺbc', true], ['αб', true], ['paypal', false], ['привет', false], ['東京 Tokyo', false], ['ärger-1', false], ['', false]])('%s mixes scripts: %j', (text, mixes) => expect(mixesScripts(text)).toBe(mixes));
