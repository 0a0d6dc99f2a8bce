import { partedFault } from './text.ts';

const REPOSITORY = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*$/;
const DOTS_ONLY = /(?:^|\/)\.+(?:\/|$)/;

/** Why a text names no repository (`org/name`), or null. `.git` at the end is the same repository to most servers; a leading `-` is an option to git (CWE-88). */
export function repositoryFault(text: string): string | null {
  if (!REPOSITORY.test(text) || DOTS_ONLY.test(text)) return 'is not a plain repository name';
  return /\.git(?:\/|$)/i.test(text) ? 'ends with .git, which names the same repository twice' : null;
}

/** What git-check-ref-format refuses, and backslashes, quotes and wild cards besides. */
const NO_BRANCH = /[\s~^:?*[\\"'`$<>|;&]|\.\.|@\{|\/\/|^[/.-]|[/.]$|\/\.|\.lock(?:\/|$)|^@$/i;
/** Other names of the same branch, of a commit or of the one that is checked out: `refs/heads/main` is `main`. */
const OTHER_NAME = /^(?:refs|heads|tags|remotes|origin|upstream)\/|(?:^|_)HEAD$|^[0-9a-f]{40}(?:[0-9a-f]{24})?$/i;

/** Why a text names no branch by its one plain name, or null. */
export function branchFault(text: string): string | null {
  if (text === '' || NO_BRANCH.test(text)) return 'is not a plain branch name';
  return OTHER_NAME.test(text) ? 'is another spelling of a branch, or a commit' : partedFault(text);
}
