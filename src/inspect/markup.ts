import type { Sign } from './rules.ts';

/** A stretch of text that is not shown when the text is rendered. */
export interface Region {
  readonly from: number;
  readonly to: number;
}

const STYLES = ['display:none', 'display: none', 'visibility:hidden', 'visibility: hidden', 'font-size:0', 'font-size: 0', 'opacity:0', 'opacity: 0', 'aria-hidden="true"', 'color:white', 'color:#fff', 'color: #fff', 'color: white', 'left:-9999', '[//]: #', '[comment]: <>', '[comment]: #', ' alt="', ' title="'];
const AFTER_STYLE = 500;

/** Comments, hidden elements, attributes nobody reads. `text` is normalised; linear time. */
export function hiddenRegions(text: string): Region[] {
  const regions: Region[] = [];
  for (let from = text.indexOf('<!--'); from >= 0; ) {
    const end = text.indexOf('-->', from + 4);
    regions.push({ from, to: end < 0 ? text.length : end });
    from = end < 0 ? -1 : text.indexOf('<!--', end);
  }
  for (const style of STYLES) {
    for (let from = text.indexOf(style); from >= 0; from = text.indexOf(style, from + style.length)) regions.push({ from, to: from + AFTER_STYLE });
  }
  return regions.toSorted((a, b) => a.from - b.from);
}

/** What is said where nobody looks weighs double: an ordinary comment gives no orders to an assistant. */
export function weigh(signs: readonly Sign[], regions: readonly Region[]): Sign[] {
  if (regions.length === 0) return [...signs];
  const sorted = signs.toSorted((a, b) => a.at - b.at);
  const weighed: Sign[] = [];
  let next = 0;
  let reach = -1;
  for (const sign of sorted) {
    for (let region = regions[next]; region !== undefined && region.from <= sign.at; region = regions[++next]) reach = Math.max(reach, region.to);
    weighed.push(sign.at <= reach ? { ...sign, weight: Math.min(5, sign.weight * 2) } : sign);
  }
  return weighed;
}

const HEADS = ['](', ']:'];
const LONGEST = 400;
/** A place in an address that the model is to fill with what it knows. */
const PLACEHOLDER = /(?:\$\{|\{|%7b)[^a-z]{0,4}(?:conversation|history|chat|summary|secret|password|token|data|prompt|context|message|memory|user)/;
const ACTIVE = /^(?:data:text\/html|javascript:|vbscript:)/;

/** Links and images that carry data out when they are rendered or followed. `text` is normalised. */
export function activeSigns(text: string): Sign[] {
  const signs: Sign[] = [];
  for (const head of HEADS) {
    for (let at = text.indexOf(head); at >= 0; at = text.indexOf(head, at + 2)) {
      const start = text[at + 2] === ' ' ? at + 3 : at + 2;
      const first = text.charCodeAt(start);
      if (first !== 104 && first !== 100 && first !== 106 && first !== 118) continue; // http, data, javascript, vbscript
      const address = addressAt(text, start);
      if (ACTIVE.test(address)) signs.push({ rule: 'markup_active', weight: 5, at });
      else if (address.startsWith('http') && PLACEHOLDER.test(address)) signs.push({ rule: 'markup_leak', weight: 5, at });
    }
  }
  return signs;
}
function addressAt(text: string, start: number): string {
  let end = start;
  while (end < text.length && end - start < LONGEST && !' \t\n\r)'.includes(text[end] ?? ')')) end++;
  return text.slice(start, end);
}
