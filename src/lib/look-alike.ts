/**
 * What a name looks like: two names with one skeleton cannot be told apart by a person who approves a call (tool shadowing by
 * homoglyphs, Unicode TR39). Covers case, compatibility forms, invisible characters, accents and the Cyrillic and Greek
 * letters that are drawn like Latin ones.
 */
export function skeleton(name: string): string {
  const folded = name.normalize('NFKD').replaceAll(/[\p{M}\p{Default_Ignorable_Code_Point}]/gu, '').toLowerCase();
  let out = '';
  for (const c of folded) out += LOOKS_LIKE.get(c) ?? c;
  return out;
}
const LOOKS_LIKE: ReadonlyMap<string, string> = new Map(
  // Left: Cyrillic, Greek, Armenian and others; right: the Latin letter of the same shape.
  Object.entries({
    а: 'a', в: 'b', с: 'c', ԁ: 'd', е: 'e', һ: 'h', і: 'i', ј: 'j', к: 'k', ӏ: 'l', м: 'm', н: 'h', о: 'o', р: 'p', ԛ: 'q', ѕ: 's', т: 't', у: 'y', х: 'x', ѡ: 'w', ԝ: 'w',
    α: 'a', β: 'b', γ: 'y', ε: 'e', ι: 'i', κ: 'k', ν: 'v', ο: 'o', ρ: 'p', τ: 't', υ: 'u', χ: 'x', ω: 'w', ո: 'n', ս: 'u', օ: 'o', հ: 'h', ց: 'g', ı: 'i', ɡ: 'g', ɑ: 'a', '‐': '-', '‑': '-', '–': '-', '—': '-', '−': '-',
  }),
);

/** Scripts whose letters are drawn like those of another one (Unicode TR39, confusables). */
const ALIKE = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u, /\p{Script=Armenian}/u, /\p{Script=Cherokee}/u, /\p{Script=Coptic}/u, /\p{Script=Lisu}/u, /\p{Script=Georgian}/u];

/** True when one text holds letters of two scripts that are drawn alike, as `pаypal` with a Cyrillic `а` does. Linear. */
export function mixesScripts(text: string): boolean {
  let found = 0;
  for (const script of ALIKE) if (script.test(text) && ++found > 1) return true;
  return false;
}
