import { decodings, encodedAnchors } from './decode.ts';
import { normalise } from './fold.ts';
import { hiddenSigns } from './hidden.ts';
import { activeSigns, hiddenRegions, weigh } from './markup.ts';
import { buildPhrases, type Phrases, score } from './phrases.ts';
import type { Sign } from './rules.ts';

/** What was found in a text: weights out of 5, and the rules of the place where most came together. */
export interface Detection {
  readonly total: number;
  readonly rules: readonly string[];
}
export interface Detector {
  /** Reads texts that were checked by nobody; the parts are also read as one, for an attempt split over them. */
  readonly read: (parts: readonly string[]) => Detection;
  /** Any of these (blanks, case and digits for letters folded) must be in plain ASCII bytes for `read` to find something in them. */
  readonly anchors: readonly string[];
}

export const CLEAN: Detection = { total: 0, rules: [] };

/** Compiles everything once; `read` takes linear time. */
export function buildDetector(): Detector {
  const phrases = buildPhrases(encodedAnchors());
  const anchors = [...phrases.anchors, '](javascript:', ']:javascript:', '](data:text/html', ']:data:text/html', '](vbscript:', '${', '{{', '\\b\\b\\b\\b'];
  return { anchors, read: (parts) => readParts(parts, phrases) };
}

function readParts(parts: readonly string[], phrases: Phrases): Detection {
  const text = parts.length === 1 ? (parts[0] ?? '') : parts.join('\n');
  const plain = normalise(text);
  const spoken = phrases.find(plain);
  const signs = spoken.signs.length === 0 ? spoken.signs : weigh(spoken.signs, hiddenRegions(plain));
  signs.push(...activeSigns(plain), ...hiddenSigns(text));
  if (spoken.encoded) signs.push(...encodedSigns(text, phrases));
  if (signs.length === 0) return CLEAN;
  return score(signs);
}

/** Instructions that somebody took the trouble to encode weigh double. */
function encodedSigns(text: string, phrases: Phrases): Sign[] {
  const signs: Sign[] = [];
  for (const decoded of decodings(text)) {
    for (const sign of phrases.find(normalise(decoded)).signs) signs.push({ rule: `encoded_${sign.rule}`, weight: Math.min(5, sign.weight * 2), at: sign.at });
  }
  return signs;
}
