import { RE2JS } from 're2js';
import { stripControls } from '../lib/visible.ts';

const SOMETHING = /[\p{L}\p{N}]/u;
/**
 * What a person wrote, fit to be shown and recorded: one line without characters that act on a screen; null when nothing readable is
 * left or it is too long. An empty or invisible reason is none (MISSION A2), and bidi or escape characters must not dress one up (CWE-150).
 */
export function words(text: string, most = 1_000): string | null {
  if (text.length > most * 4) return null;
  const clean = stripControls(text.replaceAll(/[\r\n]+/g, ' ')).trim();
  return clean.length > 0 && clean.length <= most && SOMETHING.test(clean) ? clean : null;
}

/** Does the whole text match? Linear time (CWE-1333). Throws for what cannot be compiled: that is a no. */
export const matchesWhole = (pattern: string, text: string): boolean => RE2JS.compile(pattern).matches(text);
