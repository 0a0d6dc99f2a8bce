import type { Command } from 'commander';
import { readFileSync, statSync } from 'node:fs';
import { Exit } from './exit.ts';

/** Where a running gateway is and who asks: the options of every command that is its client. */
export interface Door {
  readonly url: string;
  readonly keyFile?: string;
}

/** Adds `--url` and `--key-file`. */
export function withDoor(command: Command, url = 'http://127.0.0.1:8080'): Command {
  return command
    .option('--url <url>', 'where the gateway listens', url)
    .option('--key-file <file>', 'file that holds the API key, readable by you alone (or set SALLYPORT_KEY)');
}

/** The URL, or exit code 2. */
export function urlOf(door: Door, like = 'http://127.0.0.1:8080'): URL {
  const url = URL.parse(door.url);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Exit(2, `--url must be like ${like}`);
  return url;
}

/** The key from the file or from SALLYPORT_KEY, or exit code 2. */
export function keyOf(door: Door): string {
  const key = door.keyFile === undefined ? process.env['SALLYPORT_KEY'] : keyIn(door.keyFile);
  if (key === undefined || key === '') throw new Exit(2, 'Which key? Set SALLYPORT_KEY, or name a file with --key-file. `sallyport key create --help` shows how to make one.');
  // It becomes a header: a line break in it would begin another one (CWE-113).
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Exit(2, 'The key must be one line of visible ASCII characters; what was given is not.');
  return key;
}

/** The text of a key file that nobody else can read, or exit code 2. */
export function keyIn(file: string): string {
  try {
    // A key that other users of the machine can read is theirs too (CWE-732).
    if ((statSync(file).mode & 0o077) !== 0) throw new Exit(2, `${file} can be read by others: chmod 600 ${file}`);
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(2, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
