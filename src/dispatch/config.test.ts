import { expect, test } from 'vitest';
import { dispatchConfig } from './config.ts';

const faults = (server: object): string[] => {
  const parsed = dispatchConfig.safeParse({ servers: { s: server } });
  return parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.slice(2).join('.')}: ${issue.message}`);
};

test('nothing is needed', () => {
  expect(dispatchConfig.parse({})).toMatchObject({ timeouts: { read_ms: 30_000, write_ms: 60_000 }, max_answer_bytes: 16_777_216, servers: {} });
});
test('good servers', () => {
  for (const server of [
    { url: 'https://x.example/mcp', headers: { Authorization: { secret: 'env:TOKEN', prefix: 'Bearer ' }, 'X-Team': 'blue' } },
    { url: 'http://127.0.0.1:1/mcp', allow_loopback: true, era: 'legacy', client_capabilities: [] },
    { command: ['npx', '-y', 'server'], cwd: './work', env: { TOKEN: { secret: 'file:token' }, MAX_TOKENS: '1000', LANG: 'C' } },
  ]) expect(faults(server)).toEqual([]);
});
test.each<[string, object]>([
  ['neither', {}],
  ['both', { url: 'https://x.example/', command: ['x'] }],
  ['clear text over a network (CWE-319)', { url: 'http://x.example/' }],
  ['credential in the URL (CWE-598)', { url: 'https://u:p@x.example/' }],
  ['another protocol', { url: 'file:///etc/passwd' }],
  ['fragment', { url: 'https://x.example/#a' }],
  ['literal credential by name (CWE-798)', { url: 'https://x.example/', headers: { 'X-Api-Key': 'abc' } }],
  ['literal credential by value', { url: 'https://x.example/', headers: { 'X-Any': 'Bearer abc' } }],
  ['literal credential in the environment', { command: ['x'], env: { GITHUB_TOKEN: 'ghp_x' } }],
  ['a secret that is no reference', { url: 'https://x.example/', headers: { Authorization: { secret: 'hunter2' } } }],
  ['a header of the gateway’s own', { url: 'https://x.example/', headers: { 'Mcp-Session-Id': 'x' } }],
  ['header splitting (CWE-93)', { url: 'https://x.example/', headers: { 'X-A': 'a\r\nB: c' } }],
  ['headers for stdio', { command: ['x'], headers: { 'X-A': 'b' } }],
  ['environment for http', { url: 'https://x.example/', env: { A: 'b' } }],
  ['empty command', { command: [] }],
  ['unknown key', { command: ['x'], enviroment: {} }],
  ['unknown capability', { command: ['x'], client_capabilities: ['all'] }],
])('refused: %s', (_name, server) => {
  expect(faults(server).length).toBeGreaterThan(0);
});
test('names that would break `server__tool` are refused', () => {
  for (const name of ['a__b', 'A', '', 'a_', '-a', 'a b', 'x'.repeat(33)]) expect(dispatchConfig.safeParse({ servers: { [name]: { command: ['x'] } } }).success).toBe(false);
});
