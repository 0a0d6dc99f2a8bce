import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildRedactor } from './redact.ts';
import { SECRET_RULES } from './secret-rules.ts';

const { redact, kinds, keys } = buildRedactor();
// Put together here, so that no scanner takes this file for a leak.
const AWS = `AKIA${'Q3EXZ7LMN4PR5TUV'}`;
const GITHUB = `ghp_${'a1B2c3D4e5F6'.repeat(3)}`;
const OURS = `sp_${'aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9f'}_Ab12Cd`;

describe('redact', () => {
  it('returns the same string when there is nothing to hide', () => {
    for (const text of ['', 'The token was refused; ask for a new password.', '{"owner":"octo","path":"/src/key.ts","ok":true}', 'https://example.com/a?b=c#d', 'Set API_KEY to your key.', 'password: ${DB_PASSWORD}', 'const token = await getToken(user)',
      'commit 9493c0fb716cb7eb7c3568702912e3abb92f3193', 'sha512-Bdboy+l7tA3OGW6FjyFHWkP5LuByj1Tk33Ljyq0axyzdk9//JSi2u3fP1QSmd1KNwq6VOKYGlAu87CisVir6Pw==', '550e8400-e29b-41d4-a716-446655440000']) expect(redact(text)).toBe(text);
  });

  it.each<[string, string, string]>([
    ['aws', AWS, AWS], ['github', GITHUB, GITHUB], ['sallyport', OURS, OURS],
    ['url_credentials', 'postgres://app:s3cr3tPw@db:5432/x', 's3cr3tPw'],
    ['authorization', 'Authorization: Bearer 7Yk2mQ9sT4vX8zB1nC5dF3gH6jK0lP', '7Yk2mQ9sT4vX8zB1nC5dF3gH6jK0lP'],
    ['authorization', 'authorization: Basic YWRtaW46U3VwZXJTZWNyZXQxMjM=', 'YWRtaW46U3VwZXJTZWNyZXQxMjM='],
    ['cookie', 'Cookie: sid=9f8e7d6c5b4a39281706', '9f8e7d6c5b4a39281706'],
    ['curl_user', 'curl -s \\\n -u admin:Tr0ub4dor https://x', 'Tr0ub4dor'],
    ['credential', 'DB_PASSWORD=Tr0ub4dor&3', 'Tr0ub4dor&3'],
    ['credential', '{"client_secret": "q8Zx71Lm02Vb95Ty"}', 'q8Zx71Lm02Vb95Ty'],
    ['private_key', `-----BEGIN RSA PRIVATE KEY-----\nMIICWwIBAAKBgQCYdGaf5uYMsilGHfnx\n-----END RSA PRIVATE KEY-----`, 'MIICWwIBAAKBgQCYdGaf5uYMsilGHfnx'],
    ['jwt', `x ${'eyJhbGciOiJSUzI1NiJ9'}.eyJzdWIiOiJhIn0.c2lnbmF0dXJl y`, 'eyJzdWIiOiJhIn0'],
  ])('hides %s', (kind, text, secret) => {
    expect(redact(text)).not.toContain(secret);
    expect(redact(text)).toContain(`[redacted:${kind}]`);
    expect(kinds(text)).toContain(kind);
  });

  it('sees through JSON escapes, percent and entity encoding and unseen characters, and keeps JSON valid', () => {
    const escaped = [...GITHUB].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    const percent = [...GITHUB].map((char) => `%${char.charCodeAt(0).toString(16)}`).join('');
    const entities = [...GITHUB].map((char) => `&#${char.charCodeAt(0)};`).join('');
    for (const hidden of [escaped, percent, entities, [...GITHUB].join('\u200b'), `line\\n${GITHUB}\\nline`]) {
      const text = `{"note":"${hidden}","n":12345678901234567890}`;
      const clean = redact(text);
      expect(clean).toContain('[redacted:github]');
      expect(clean).not.toContain(hidden.slice(8, 40));
      expect(() => JSON.parse(clean)).not.toThrow();
    }
  });

  it('keeps JSON valid around any secret in any place', () => {
    const secret = fc.constantFrom(AWS, GITHUB, OURS, 'password=Tr0ub4dor', 'https://u:Pa55word@h/', 'Cookie: a=1234567890abcd1234', '-----BEGIN PRIVATE KEY-----\nMIICWwIBAAKBgQCYdGaf5uYMsilGHfnx', '"', '\\', '\n', '\u0007');
    fc.assert(fc.property(fc.dictionary(fc.oneof(secret, fc.constantFrom('token', 'api_key', 'x')), fc.array(fc.oneof(secret, fc.string())).map((parts) => parts.join(' '))), (value) => {
      expect(() => JSON.parse(redact(JSON.stringify(value)))).not.toThrow();
    }), { numRuns: 500 });
  });

  it('cannot be made to hang: 100 KB of anything in under 100 ms (CWE-1333)', () => {
    const seeds = [...keys.filter((_, i) => i % 3 === 0), ...SECRET_RULES.map((rule) => rule.pattern.source.slice(0, 12)), 'key=a', 'token = ', 'auth_auth_', '://a:a', '%41', '\\u0041', 'curl -u a:', 'cookie: a=', '-----BEGIN PRIVATE KEY-----', 'eyJaaaaaaaaaa.', 'password":"', 'f', 'a:', '=-'];
    for (const seed of seeds) {
      const text = `curl token ${seed.repeat(Math.ceil(100_000 / seed.length))}`;
      const started = process.threadCpuUsage().user;
      redact(text);
      expect((process.threadCpuUsage().user - started) / 1_000, seed).toBeLessThan(100);
    }
  });
});
