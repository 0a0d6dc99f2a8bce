import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createSecrets, isSample, readSecret, secretRef } from './index.ts';

const MKFIFO = 'mkfifo';
const dir = mkdtempSync(join(tmpdir(), 'sallyport-secrets-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const put = (name: string, text: string | Buffer, mode = 0o600): string => {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), mode);
  return `file:${name}`;
};
const read = (ref: string, env: Record<string, string> = {}) => readSecret(ref, { baseDir: dir, env });
const wrong = (ref: string, env: Record<string, string> = {}): string => {
  const result = read(ref, env);
  return result.ok ? `read ${result.value}` : result.wrong;
};

describe('secretRef', () => {
  it.each(['env:A', 'env:_a1', 'file:x', 'file:/run/secrets/a b', 'file:../x'])('takes %s', (ref) => expect(secretRef.safeParse(ref).success).toBe(true));
  it.each(['', 'env:', 'env:1A', 'env:A B', 'file:', 'file:a\nb', 'file:a\u0085b', 'ENV:A', ' env:A', 'sk-live-hunter2', '${A}', 'vault:x', 'x'.repeat(5000), 7, null])('refuses %j and does not echo it', (ref) => {
    const result = secretRef.safeParse(ref);
    expect(result.success).toBe(false);
    if (String(ref).length > 4) expect(JSON.stringify(result.error?.issues)).not.toContain('hunter2');
  });
});

describe('reading', () => {
  it('gives the value of a variable and of a file, without the last line break', () => {
    expect(read('env:A', { A: 'v4lue' })).toEqual({ ok: true, value: 'v4lue' });
    expect(read(put('unix', 'v4lue\n'))).toEqual({ ok: true, value: 'v4lue' });
    expect(read(put('dos', 'v4lue\r\n'))).toEqual({ ok: true, value: 'v4lue' });
    expect(read(put('pem', 'a\nb\n\n'))).toEqual({ ok: true, value: 'a\nb\n' });
    expect(read(`file:${join(dir, 'unix')}`).ok).toBe(true);
  });
  it('refuses what is missing', () => {
    expect(wrong('env:A')).toBe('the environment variable A is not set');
    expect(wrong('file:none')).toContain('does not exist');
    expect(wrong('file:none/deeper')).toContain('does not exist');
  });
  it('sees own variables only', () => expect(wrong('env:constructor')).toContain('is not set'));
  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])('refuses a file of mode %o and shows chmod 600', (mode) => {
    const result = read(put('open', 'v4lue', mode));
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.mend).toMatch(/^chmod 600 /);
  });
  it('judges the file a link leads to', () => {
    put('target', 'v4lue', 0o644);
    symlinkSync(join(dir, 'target'), join(dir, 'link'));
    expect(wrong('file:link')).toContain('open to other users');
  });
  it('refuses what is no regular file, without hanging on a FIFO', () => {
    mkdirSync(join(dir, 'folder'), { mode: 0o700 });
    execFileSync(MKFIFO, ['-m', '600', join(dir, 'fifo')]);
    expect(wrong('file:folder')).toContain('not a regular file');
    expect(wrong('file:fifo')).toContain('not a regular file');
    expect(wrong('file:/dev/zero')).toContain('not a regular file');
  });
  it('refuses what is too large, not UTF-8, or holds a NUL', () => {
    expect(wrong(put('large', 'x1'.repeat(40_000)))).toContain('larger');
    expect(wrong(put('binary', Buffer.from([0xff, 0xfe, 0x41])))).toContain('not UTF-8');
    expect(wrong(put('nul', 'a\0b'))).toContain('NUL');
  });
  it.each(['', ' ', '\n', '\r\n', '\t \n'])('refuses the empty secret %j', (text) => {
    expect(wrong(put('empty', text))).toContain('is empty');
    expect(wrong('env:A', { A: text })).toContain('is empty');
  });
  it('refuses samples and quotes none', () => {
    for (const text of ['changeme', 'Change-Me', 'YOUR_API_KEY_HERE', '<token>', '${TOKEN}', 'xxxxxxxx', 'sk-xxxxxxxx', 'password', '...']) expect(wrong('env:A', { A: text }), text).toContain('well-known sample');
    expect(JSON.stringify(read('env:A', { A: 'changeme' }))).not.toContain('changeme');
    expect(isSample('dGhpcyBpcyBub3QgYSBzYW1wbGU')).toBe(false);
  });
});

describe('resolve', () => {
  const setup = (env: Record<string, string>) => {
    let now = 0;
    const secrets = createSecrets({ baseDir: dir, env, clock: { now: () => now, monotonic: () => now } });
    return { secrets, wait: (ms: number) => { now += ms; } };
  };
  it('sees a rotated value after a second, and keeps it until then', async () => {
    const { secrets, wait } = setup({});
    const ref = put('rotated', 'first-v4lue');
    expect(await secrets.resolve(ref)).toBe('first-v4lue');
    put('rotated', 'second-v4lue');
    wait(999);
    expect(await secrets.resolve(ref)).toBe('first-v4lue');
    wait(1);
    expect(await secrets.resolve(ref)).toBe('second-v4lue');
  });
  it('checks the mode at each read and serves nothing older when it fails', async () => {
    const { secrets, wait } = setup({});
    const ref = put('later', 'v4lue');
    await secrets.resolve(ref);
    chmodSync(join(dir, 'later'), 0o644);
    wait(1_000);
    await expect(secrets.resolve(ref)).rejects.toThrow('open to other users');
    chmodSync(join(dir, 'later'), 0o600);
    expect(await secrets.resolve(ref)).toBe('v4lue'); // a failure is not kept
  });
  it('rejects instead of throwing, and never quotes what it was given', async () => {
    const { secrets } = setup({});
    const error = await secrets.resolve('sk-live-hunter2').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'SecretFault' });
    expect(String(error)).not.toContain('hunter2');
  });
});

describe('what was handed out', () => {
  const TOKEN = 'tok-"quoted"-4f8a2b';
  const make = () => {
    const env: Record<string, string> = { TOKEN, SHORT: '1234567', LONGER: `${TOKEN}-and-more` };
    const times = { now: 0 };
    return { env, times, secrets: createSecrets({ baseDir: dir, env, clock: { now: () => 0, monotonic: () => times.now } }) };
  };
  it('is taken out of text, in JSON too, also when one value begins with another', async () => {
    const { secrets } = make();
    expect(secrets.hide(`x ${TOKEN}`)).toBe(`x ${TOKEN}`); // not handed out yet
    for (const ref of ['env:TOKEN', 'env:LONGER', 'env:SHORT']) await secrets.resolve(ref);
    expect(secrets.hide(`a ${TOKEN} b ${TOKEN}-and-more c`)).toBe('a [redacted:own_credential] b [redacted:own_credential] c');
    expect(secrets.hide(JSON.stringify({ TOKEN }))).toBe('{"TOKEN":"[redacted:own_credential]"}');
    expect(secrets.hide('port 1234567')).toBe('port 1234567'); // too short to be told from an accident
  });
  it('is told for each reference, longest first, and remembered over a rotation', async () => {
    const { secrets, env, times } = make();
    const [one, all] = [secrets.formsOf(['env:TOKEN']), secrets.formsOf(null)];
    expect(all()).toEqual([]);
    await secrets.resolve('env:TOKEN');
    await secrets.resolve('env:LONGER');
    expect(one()).toEqual([JSON.stringify(TOKEN).slice(1, -1), TOKEN]);
    expect(all()).toHaveLength(4);
    expect(all()).toBe(all());
    env['TOKEN'] = 'a-new-value';
    times.now = 5_000;
    await secrets.resolve('env:TOKEN');
    expect(one()).toEqual([JSON.stringify(TOKEN).slice(1, -1), TOKEN, 'a-new-value']);
    expect(secrets.hide(`${TOKEN} a-new-value`)).toBe('[redacted:own_credential] [redacted:own_credential]');
  });
});
