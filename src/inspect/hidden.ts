import type { Sign } from './rules.ts';

/** The three flags that are drawn from tag characters (Unicode RGI): England, Scotland, Wales. */
const FLAG = /\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}|\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}|\u{1F3F4}\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}/gu;
const TAG = /[\u{E0000}-\u{E007F}]/u;
const ZERO_WIDTH = '\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufeff';
const ZERO_WIDTH_RUN = new RegExp(`[${ZERO_WIDTH}]{4}`);
/** Between single letters, where no hyphenation puts them. */
const INTERLEAVED = new RegExp(`[a-z][${ZERO_WIDTH}][a-z][${ZERO_WIDTH}][a-z][${ZERO_WIDTH}][a-z]`, 'i');
const SELECTOR_RUN = /[\ufe00-\ufe0f\u{E0100}-\u{E01EF}]{3}/u;
const OVERRIDE = /[\u202d\u202e]/;
const REORDER = /[\u202a\u202b\u2066-\u2068]/;
const PRIVATE_RUN = /[\ue000-\uf8ff]{12}/;
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
// oxlint-disable-next-line no-control-regex
const BACKSPACES = /\x08{4}/;
/** Anything this file looks for; most texts have none of it and are left after one pass. */
// oxlint-disable-next-line no-control-regex, no-misleading-character-class -- the characters themselves are meant
const ANY = /[\x00-\x08\x0b\x0c\r\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\uffff\ue000-\uf8ff\u{E0000}-\u{E0FFF}]/u;

/** Signs of text that a person does not see and a model reads: a channel to smuggle instructions through (MISSION C2). */
export function hiddenSigns(text: string): Sign[] {
  if (!ANY.test(text)) return [];
  const signs: Sign[] = [];
  const note = (rule: string, weight: number, found: boolean): void => {
    if (found) signs.push({ rule, weight, at: 0 });
  };
  note('hidden_tags', 5, TAG.test(text.includes('\u{1F3F4}') ? text.replace(FLAG, '') : text));
  note('hidden_selectors', 5, SELECTOR_RUN.test(text));
  note('hidden_zero_width', 5, ZERO_WIDTH_RUN.test(text) || INTERLEAVED.test(text));
  note('hidden_bidi', OVERRIDE.test(text) ? 5 : 3, OVERRIDE.test(text) || (REORDER.test(text) && !RTL.test(text)));
  note('hidden_private', 5, PRIVATE_RUN.test(text));
  note('hidden_overwrite', 5, BACKSPACES.test(text));
  note('hidden_terminal', 5, hasConcealed(text));
  return signs;
}

// oxlint-disable-next-line no-control-regex
const SGR = /(?:\x1b\[|\x9b)([0-9;]{1,40})m/g;
/** SGR 8 draws nothing. The arguments of 38 and 48 are colours, not commands. */
function hasConcealed(text: string): boolean {
  for (const [, list = ''] of text.matchAll(SGR)) {
    const codes = list.split(';').map(Number);
    for (let i = 0; i < codes.length; i++) {
      if (codes[i] === 38 || codes[i] === 48) i += codes[i + 1] === 2 ? 4 : 2;
      else if (codes[i] === 8) return true;
    }
  }
  return false;
}

// oxlint-disable-next-line no-control-regex
const TERMINAL = /(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]{0,2048}(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]{0,4}[0-~]?/g;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufff9-\ufffb]/g;
// oxlint-disable-next-line no-misleading-character-class -- the characters themselves are meant
const ALWAYS = /[\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b\u202a-\u202e\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\u{E0080}-\u{E0FFF}]|[\ue000-\uf8ff]{4,}/gu;
const SELECTORS = /[\ufe00-\ufe0f]{2,}/g;
/** Joiners stay where a script or an emoji needs exactly one of them. */
const JOINERS = /(?<![\p{L}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])[\u200c\u200d]|[\u200c\u200d](?![\p{L}\p{M}\p{Extended_Pictographic}])|(?<=[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}])[\u200c\u200d]/gu;
const TAGS = /[\u{E0000}-\u{E007F}]/gu;
const MARKS = /[\u200e\u200f\u2066-\u2069]/g;

/** The text without what is not seen. Emoji, flags and right-to-left text keep what they need; a lone CR ends a line. */
export function strip(text: string): string {
  if (!ANY.test(text)) return text;
  let seen = text.replace(TERMINAL, '').replace(/\r(?!\n)/g, '\n').replace(CONTROL, '');
  // What is taken out brings together what stood around it, which may then be a run; three rounds are more than honest text needs.
  for (let round = 0, before = ''; round < 3 && seen !== before; round++) {
    before = seen;
    if (TAG.test(seen)) seen = stripTags(seen);
    seen = seen.replace(ALWAYS, '').replace(SELECTORS, '').replace(JOINERS, '');
  }
  return RTL.test(seen) ? seen : seen.replace(MARKS, '');
}

function stripTags(text: string): string {
  let kept = '';
  let last = 0;
  for (const flag of text.matchAll(FLAG)) {
    kept += text.slice(last, flag.index).replace(TAGS, '') + flag[0];
    last = flag.index + flag[0].length;
  }
  return kept + text.slice(last).replace(TAGS, '');
}
