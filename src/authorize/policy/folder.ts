import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { type ConfigFault, readText } from '../../config/index.ts';
import { sha256 } from '../../lib/hash.ts';

/** One file of a policy: its path below the folder, with `/`, and what stands in it. */
export interface PolicyText {
  readonly path: string;
  readonly text: string;
}
/** The texts in the order of their paths, or why they cannot be had. */
export type FolderRead = { readonly ok: true; readonly texts: readonly PolicyText[] } | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Bounds, so that a wrong folder name does not cost minutes or fill the store (CWE-400). */
const MAX_FILES = 200;
const MAX_ENTRIES = 2_000;
const MAX_CHARS = 4_194_304;

const YAML = /\.ya?ml$/;
/** Files that hold `tests:`; the rest holds `rules:`. */
export const isTestFile = (path: string): boolean => /(?:^|[./])tests\.ya?ml$/.test(path);

/** Reads every `*.yaml` and `*.yml` of a folder and of its sub-folders, one level down. Never throws. */
export function readFolder(folder: string): FolderRead {
  const { files, faults } = look(folder);
  const texts: PolicyText[] = [];
  let chars = 0;
  if (files.length > MAX_FILES) faults.push(fault(folder, `holds more than ${MAX_FILES} YAML files`, '# is this the right folder?'));
  else for (const { path } of files) {
    const read = readText(join(folder, path));
    if (!read.ok) faults.push(...read.faults);
    else if ((chars += read.text.length) <= MAX_CHARS) texts.push({ path, text: read.text });
  }
  if (chars > MAX_CHARS) faults.push(fault(folder, `holds more than ${MAX_CHARS} characters of YAML`, '# is this the right folder?'));
  return faults.length === 0 ? { ok: true, texts } : { ok: false, faults };
}

/** A text that differs whenever a file was written, added, removed or renamed, without reading the files. Never throws. */
export function fingerprint(folder: string): string {
  const { files, faults } = look(folder);
  return [...files.map(({ path, stamp }) => `${path} ${stamp}`), ...faults.map(({ file, wrong }) => `${file} ${wrong}`)].join('\n');
}
/** SHA-256 of names and texts, hex. */
export const hashOf = (texts: readonly PolicyText[]): string => sha256(JSON.stringify(texts.map(({ path, text }) => [path, text])));

interface Found {
  readonly path: string;
  readonly stamp: string;
}
interface Look {
  readonly root: string;
  readonly folder: string;
  readonly files: Found[];
  readonly faults: ConfigFault[];
  entries: number;
}
function look(folder: string): Pick<Look, 'files' | 'faults'> {
  const state: Look = { root: '', folder, files: [], faults: [], entries: 0 };
  try {
    const at: Look = { ...state, root: realpathSync(folder) };
    lookInto(at, '', 0);
  } catch (thrown) {
    state.faults.push(unreadable(folder, thrown));
  }
  state.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return state;
}

function lookInto(state: Look, below: string, depth: number): void {
  const entries = readdirSync(join(state.folder, below), { withFileTypes: true });
  if ((state.entries += entries.length) > MAX_ENTRIES) return void state.faults.push(fault(state.folder, `holds more than ${MAX_ENTRIES} files`, '# is this the right folder?'));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue; // of editors, git, and what Kubernetes keeps beside its links
    try {
      lookAt(state, below + entry.name, entry, depth);
    } catch (thrown) {
      state.faults.push(unreadable(join(state.folder, below, entry.name), thrown));
    }
  }
}

function lookAt(state: Look, path: string, entry: Dirent, depth: number): void {
  const full = join(state.folder, path);
  const isYaml = YAML.test(entry.name);
  if (!isYaml && !entry.isDirectory() && !entry.isSymbolicLink()) return;
  if (entry.isSymbolicLink()) {
    // A link out of the folder makes rules of a file that nobody reviews with the others (CWE-59). Kubernetes links within it.
    if (!realpathSync(full).startsWith(state.root + sep)) return void ((isYaml || statSync(full).isDirectory()) && state.faults.push(fault(full, 'is a link out of the policy folder', '# put the file itself here')));
  }
  const stat = statSync(full, { bigint: true });
  if (stat.isDirectory()) {
    // Rules that lie where nobody looks would be in force for whoever reads the folder, and for nobody else.
    if (depth > 0) return void state.faults.push(fault(full, 'is nested too deeply: sub-folders may be one level deep', '# move its files up'));
    return lookInto(state, `${path}/`, depth + 1);
  }
  if (!isYaml) return;
  if (!stat.isFile()) return void state.faults.push(fault(full, 'is not a regular file', '# name a YAML file'));
  state.files.push({ path, stamp: `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}` });
}

const fault = (file: string, wrong: string, mend: string): ConfigFault => ({ file, line: 1, column: 1, path: '(file)', wrong, mend });
function unreadable(file: string, thrown: unknown): ConfigFault {
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return fault(file, 'does not exist', '# name an existing folder');
  if (code === 'ENOTDIR') return fault(file, 'is not a folder', '# name a folder');
  return fault(file, 'cannot be read', '# let the user who runs the gateway read it');
}
