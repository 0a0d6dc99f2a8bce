#!/usr/bin/env node
// Starts Sallyport on the Node it needs: this one if it is new enough, else the Node 26 that npm installed beside it.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const built = join(root, 'dist', 'main.js');
const entry = existsSync(built) ? built : join(root, 'src', 'main.ts');

function newEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 15);
}
function bundledNode() {
  const require = createRequire(import.meta.url);
  const names = [`node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`, `node-bin-${process.platform}-${process.arch}`];
  for (const name of names) {
    try {
      return join(dirname(require.resolve(`${name}/package.json`)), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    } catch {
      // not this platform's package: try the next name
    }
  }
  process.stderr.write('sallyport needs Node 24.15 or newer, and the bundled Node 26 is not installed (optional dependencies were left out).\n');
  process.exit(2);
}

const child = spawn(newEnough() ? process.execPath : bundledNode(), [entry, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 128 : (code ?? 1)));
