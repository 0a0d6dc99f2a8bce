import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { authorizeConfig } from '../../src/authorize/config.ts';
import { judgeFolder, readFolder } from '../../src/authorize/policy/index.ts';
import { COOKBOOK, filesOf, GUIDE, recipesOf } from '../kit/cookbook.ts';
import { cli } from '../kit/gateway.ts';

/** Every rule that is shipped, in a template or in the guide, does what its tests say, and the folder beside the guide is what the guide says. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const guide = readFileSync(GUIDE, 'utf8');
const recipes = recipesOf(guide);
const templates = readdirSync(join(root, 'policies'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
const dir = mkdtempSync(join(tmpdir(), 'guide-'));
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
};
beforeAll(() => {
  for (const [path, text] of filesOf(recipes)) put(path, text);
  for (const [, text = '', path = ''] of guide.matchAll(/^```yaml\n(# (\S+\.yaml)\n[^]*?)^```$/gm)) put(join('guide', path), text);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const judge = (folder: string) => judgeFolder(readFolder(folder), { inline: authorizeConfig.parse({}), folder, requireTests: true });

describe('the guide', () => {
  it('has twenty recipes, each with its number', () => {
    expect(recipes.map(({ title }) => Number.parseInt(title, 10))).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
  it.each(recipes.map(({ title, folder }) => [title, folder] as const))('%s', async (_, folder) => {
    const judged = await judge(join(dir, folder));
    expect(judged.ok ? [] : judged.reasons).toEqual([]);
    expect(judged.report?.total).toBeGreaterThan(1);
  });
  it('has an example in its text that passes too', async () => {
    const judged = await judge(join(dir, 'guide/policy'));
    expect(judged.ok ? judged.report.total : judged.reasons).toBe(6);
  });
  it('is what policies/cookbook holds: `node test/kit/cookbook.ts` writes it anew', () => {
    const read = readdirSync(COOKBOOK, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    expect(new Map(read.toSorted().map((path) => [path.slice(COOKBOOK.length + 1), readFileSync(path, 'utf8')]))).toEqual(new Map([...filesOf(recipes)].toSorted(([a], [b]) => (a < b ? -1 : 1))));
  });
});

describe('what is shipped', () => {
  it('passes `sallyport policy test`, run in the repository without a word more', async () => {
    const { code, out, err } = await cli(['policy', 'test'], {}, root);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const tested = out.split('\n').filter((line) => line.startsWith('policies/')).map((line) => line.split(':')[0]);
    expect(tested).toEqual([...templates.filter((name) => name !== 'cookbook'), ...recipes.map(({ folder }) => `cookbook/${folder}`)].map((name) => `policies/${name}`).toSorted());
  });
  it('break-glass: the configuration in its README is one, and opens nothing by itself', () => {
    const readme = readFileSync(join(root, 'policies/break-glass/README.md'), 'utf8');
    const { authorize } = parse(/```yaml\n([^]*?)```/.exec(readme)?.[1] ?? '') as { authorize: unknown };
    const config = authorizeConfig.parse(authorize);
    expect(config.break_glass).toMatchObject([{ name: 'production', alarm: true, roles: ['on-call'] }]);
    expect(config.rules).toEqual([]);
  });
  it('says why, rule by rule, and stands in the list', () => {
    const list = readFileSync(join(root, 'policies/README.md'), 'utf8');
    for (const name of templates) expect(list).toContain(`| \`${name}\` |`);
    const files = readdirSync(join(root, 'policies'), { recursive: true }).map(String).filter((path) => path.endsWith('.yaml') && !path.endsWith('.tests.yaml'));
    for (const path of files) for (const { id, why } of (parse(readFileSync(join(root, 'policies', path), 'utf8')) as { rules: { id: string; why?: string }[] }).rules) expect(why?.length ?? 0, `${path} ${id}`).toBeGreaterThan(10);
  });
});
