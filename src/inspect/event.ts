/** The `data` of one SSE event block, or null when it has none (WHATWG HTML section 9.2). */
export function dataOf(block: string): string | null {
  let data: string | null = null;
  for (const line of block.split(LINE_END)) {
    if (!isData(line)) continue;
    const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5);
    data = data === null ? value : `${data}\n${value}`;
  }
  return data;
}

/** The block with other data; `id`, `event`, `retry` and comment lines stay as they are and where they are. */
export function withData(block: string, data: string): string {
  const lines: string[] = [];
  let isPut = false;
  for (const line of block.replace(/(?:\r\n|\r|\n)+$/, '').split(LINE_END)) {
    if (!isData(line)) lines.push(line);
    else if (!isPut) {
      lines.push(...data.split(LINE_END).map((part) => `data: ${part}`));
      isPut = true;
    }
  }
  return `${lines.join('\n')}\n\n`;
}

const LINE_END = /\r\n|\r|\n/;
const isData = (line: string): boolean => line === 'data' || line.startsWith('data:');
