import { skeleton } from '../../lib/look-alike.ts';
import type { Say, TextCheck } from './finding.ts';
import { PolicyFault } from './finding.ts';
import { ALIKE, likeOneOf, mustBe, partedFault } from './text.ts';

/** `.` and `..`, empty segments and a slash at the end (CWE-22, CWE-23), and trailing dots or spaces, which Windows drops (CWE-42, CWE-46). */
const SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)|\/\/|.\/$|[. ](?:\/|$)|(?:^|\/) /;
/** Backslash, percent, tilde (home and 8.3 names), colon (drive, stream, URL), what a shell or a glob expands; an option at the start (CWE-88). */
const ODD = /[\\%~:*?"<>|$`!;&]|^-/;
/** Windows opens the device, in any folder and with any extension (CWE-67). */
const DEVICE = /(?:^|\/)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.[^/]*)?(?:\/|$)/i;

/** Why a text is not a path in its one plain spelling, or null. Nothing is normalised: what is not normal already is refused. */
export function pathFault(text: string): string | null {
  if (text === '') return 'is empty';
  if (text !== '/' && SEGMENT.test(text)) return 'is not a normal path: it has empty, dot or dot-dot segments, or ends with a slash, dot or space';
  if (ODD.test(text)) return 'holds characters that a path must not';
  return DEVICE.test(text) ? 'names a device' : partedFault(text);
}

/** At or below one of the folders. `.` stands for every relative path. */
export function under(roots: readonly string[], say: Say): TextCheck {
  const folders = roots.map(rootOf);
  const looks = folders.map((folder) => skeleton(folder));
  const [outside, alike] = [say.no('is outside the folders that the rule names'), say.error(ALIKE)];
  return (value) => {
    const fault = pathFault(value);
    if (fault !== null) return say.error(fault);
    if (folders.some((folder) => isBelow(folder, value))) return null;
    const look = skeleton(value);
    return looks.some((folder) => isBelow(folder, look)) ? alike : outside;
  };
}
function rootOf(written: string): string {
  const folder = written.length > 1 && written.endsWith('/') ? written.slice(0, -1) : written;
  if (folder !== '.') mustBe(pathFault, folder);
  return folder;
}
function isBelow(folder: string, path: string): boolean {
  if (folder === '.') return !path.startsWith('/');
  if (folder === '/') return path.startsWith('/');
  return path.startsWith(folder) && (path.length === folder.length || path[folder.length] === '/');
}

export const pathGlob = (globs: readonly string[], say: Say): TextCheck => likeOneOf(globs, '/', pathFault, say);

/** The file's name ends with one of the extensions and has something before it. */
export function extension(extensions: readonly string[], say: Say): TextCheck {
  for (const end of extensions) {
    if (!/^(?:\.[A-Za-z0-9_-]+)+$/.test(end)) throw new PolicyFault(`an extension begins with a dot and holds letters, digits, \`_\` and \`-\`, for example \`.md\``);
  }
  const lower = extensions.map((end) => end.toLowerCase());
  const [other, alike] = [say.no('has none of the extensions that the rule names'), say.error(ALIKE)];
  return (value) => {
    const fault = pathFault(value);
    if (fault !== null) return say.error(fault);
    const name = value.slice(value.lastIndexOf('/') + 1);
    if (extensions.some((end) => name.length > end.length && name.endsWith(end))) return null;
    const look = skeleton(name);
    return lower.some((end) => look.endsWith(end)) ? alike : other;
  };
}
