import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Places } from '../secrets/index.ts';
import { checkText } from './check.ts';
import { CROSS } from './cross.ts';
import type { ConfigFault } from './fault.ts';
import { type Config, configSchema } from './schema.ts';
import { MAX_TEXT_BYTES } from './yaml.ts';

/** A frozen config, or everything that is wrong with it. */
export type Loaded = { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Reads, checks and freezes a config file. Never throws. Relative `file:` references start at the file's folder. */
export function loadConfig(file: string): Loaded {
  const read = readText(file);
  return read.ok ? parseConfig(read.text, file) : read;
}

/**
 * The same for a text; `file` stands in the faults and its folder is where `file:` references start. `env` is the process's own
 * unless given; `secrets: 'form'` checks references for their form only, for files that will run on another machine.
 */
export function parseConfig(text: string, file: string, options: { readonly env?: Places['env']; readonly secrets?: 'form' | 'read' } = {}): Loaded {
  const places: Places = { baseDir: dirname(resolve(file)), env: options.env ?? process.env };
  return checkText(text, file, { schema: configSchema, cross: CROSS, secrets: options.secrets === 'form' ? null : places });
}

/** The text of a file of bounded size, as UTF-8. Faults instead of exceptions; used for configs and for what is imported. */
export function readText(file: string): { readonly ok: true; readonly text: string } | { readonly ok: false; readonly faults: readonly ConfigFault[] } {
  const refuse = (wrong: string, mend: string) => ({ ok: false, faults: [{ file, line: 1, column: 1, path: '(file)', wrong, mend }] }) as const;
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
    return refuse(missing ? 'the file does not exist' : 'the file cannot be opened', missing ? '# name an existing file' : '# let the user who runs the gateway read it');
  }
  try {
    if (!fstatSync(fd).isFile()) return refuse('is not a regular file', '# name a YAML file');
    const buffer = Buffer.alloc(MAX_TEXT_BYTES + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < buffer.length; length += got) got = readSync(fd, buffer, length, buffer.length - length, null);
    if (length > MAX_TEXT_BYTES) return refuse(`is larger than ${MAX_TEXT_BYTES} bytes`, '# a config file has some kilobytes; is this the right file?');
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)) };
  } catch (thrown) {
    return refuse(thrown instanceof TypeError ? 'is not UTF-8 text' : 'the file cannot be read', '# save it as UTF-8');
  } finally {
    closeSync(fd);
  }
}
