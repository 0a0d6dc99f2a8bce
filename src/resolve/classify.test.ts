import { describe, expect, test } from 'vitest';
import { skeleton } from '../lib/look-alike.ts';
import { inferRisk } from './classify.ts';

describe('the class of a tool the operator did not set', () => {
  test.each([
    // name, annotations, infer_reads, class
    ['create_issue', {}, false, 'write'],
    ['get_issue', {}, false, 'write'],
    ['get_issue', { readOnlyHint: true }, false, 'write'], // a server may not lower
    ['get_issue', { readOnlyHint: true }, true, 'read'],
    ['get_issue', {}, true, 'read'],
    ['readFile', {}, true, 'read'],
    ['get_issue', { readOnlyHint: false }, true, 'write'],
    ['get_issue', { destructiveHint: true }, true, 'destructive'],
    ['get_issue', { openWorldHint: true }, true, 'external'],
    ['echo', { destructiveHint: true }, false, 'destructive'],
    ['echo', { openWorldHint: true }, false, 'external'],
    ['delete_repo', { destructiveHint: false, readOnlyHint: true }, false, 'destructive'],
    ['deleteRepo', {}, false, 'destructive'],
    ['repoDelete', {}, false, 'destructive'],
    ['DROP_TABLE', {}, false, 'destructive'],
    ['get_and_delete', {}, true, 'destructive'],
    ['purge2', {}, false, 'destructive'],
    ['dеlete_repo', {}, false, 'destructive'], // Cyrillic е
    ['exec', {}, false, 'admin'],
    ['run_shell_command', {}, false, 'admin'],
    ['delete_admin', {}, false, 'admin'],
    ['fetch', {}, false, 'external'],
    ['undeletable', {}, false, 'write'], // a word, not a part of one
    ['widget', {}, true, 'write'],
    ['', {}, true, 'write'],
  ] as const)('%s %o with infer_reads %s is %s', (name, annotations, inferReads, risk) => {
    expect(inferRisk(name, annotations, inferReads)).toBe(risk);
  });

  test.each([['Read', 'read'], ['reаd', 'read'], ['read\u200b', 'read'], ['réad', 'read'], ['ｒｅａｄ', 'read'], ['read', 'reed']])('%s and %s', (a, b) => {
    expect(skeleton(a) === skeleton(b)).toBe(b !== 'reed');
  });
});
