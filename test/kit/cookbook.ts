import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A recipe of docs/policy.md: one rule or a few, and their tests. */
export interface Recipe {
  /** `07-a-tool-for-nobody`: its folder below policies/cookbook. */
  readonly folder: string;
  readonly title: string;
  readonly rules: string;
  readonly tests: string;
}
const root = fileURLToPath(new URL('../..', import.meta.url));
export const GUIDE = join(root, 'docs/policy.md');
export const COOKBOOK = join(root, 'policies/cookbook');

/** The recipes of a guide: headings `### 7. A tool for nobody`, each with two blocks of YAML, `rules:` and `tests:`. Throws for one that has not. */
export function recipesOf(guide: string): readonly Recipe[] {
  return guide.split(/^### (?=\d+\. )/m).slice(1).map((section) => {
    const title = (section.split('\n')[0] as string).trim();
    const blocks = [...section.matchAll(/^```yaml\n([^]*?)^```$/gm)].map((found) => found[1] as string);
    const [rules, tests] = blocks;
    if (blocks.length !== 2 || rules?.startsWith('rules:\n') !== true || tests?.startsWith('tests:\n') !== true) throw new Error(`${title}: needs one block of rules and one of tests`);
    const [number, ...words] = title.toLowerCase().replace(/(\d),(\d)/g, '$1$2').match(/[a-z0-9]+/g) as string[];
    return { folder: `${number?.padStart(2, '0')}-${words.join('-')}`, title, rules, tests };
  });
}
/** What the folders of the cookbook hold, by path. */
export function filesOf(recipes: readonly Recipe[]): ReadonlyMap<string, string> {
  const note = ({ title }: Recipe): string => `# ${title}. Generated from docs/policy.md by \`node test/kit/cookbook.ts\`.\n`;
  return new Map(recipes.flatMap((recipe) => [[`${recipe.folder}/rules.yaml`, note(recipe) + recipe.rules], [`${recipe.folder}/rules.tests.yaml`, note(recipe) + recipe.tests]] as const));
}

/** Run by itself, it writes policies/cookbook anew. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(COOKBOOK, { recursive: true, force: true });
  for (const [path, text] of filesOf(recipesOf(readFileSync(GUIDE, 'utf8')))) {
    mkdirSync(join(COOKBOOK, path, '..'), { recursive: true });
    writeFileSync(join(COOKBOOK, path), text);
  }
}
