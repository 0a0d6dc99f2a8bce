/**
 * Loaded into the gateway beside the product (`NODE_OPTIONS=--expose-gc --import=…`): on SIGUSR2 everything that nobody holds is
 * collected, and what is left is written to the file that MEMORY_FILE names. Nothing else is changed or watched.
 */
import { renameSync, writeFileSync } from 'node:fs';

const file = process.env['MEMORY_FILE'];
const collect = (globalThis as { gc?: () => void }).gc;
if (file !== undefined && collect !== undefined) {
  process.on('SIGUSR2', () => {
    collect();
    setImmediate(() => { // finalizers have run
      collect();
      writeFileSync(`${file}.new`, JSON.stringify(process.memoryUsage()));
      renameSync(`${file}.new`, file);
    });
  });
}
