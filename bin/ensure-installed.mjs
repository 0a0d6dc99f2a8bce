// Runs before `npm start`, `npm test` and `npm run check`, on whatever Node the machine has (20 or newer). Installs exactly what the
// lockfile names when node_modules is missing or older than it; the install brings Node 26, which every npm script then uses.
import { spawnSync } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const changedAt = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

if (changedAt('node_modules/.package-lock.json') < changedAt('package-lock.json')) {
  // `npm ci` empties the folder first: through a link that would be somebody else's.
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    process.stderr.write('node_modules is a link to another folder and does not match package-lock.json. Remove the link, then run the command again.\n');
    process.exit(2);
  }
  process.stderr.write('Installing dependencies (first start: about a minute) …\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // Install scripts stay off: nothing that was downloaded runs before it is asked to.
  const { status } = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) {
    process.stderr.write('npm ci failed; its message is above. Check the network or the npm registry setting, then run the command again.\n');
    process.exit(status ?? 1);
  }
}
