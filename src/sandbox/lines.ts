const LF = 10, CR = 13;

/** Cuts a byte stream into lines, without their line ends and without empty ones. False: the line is longer than `maxBytes`, push nothing more. */
export function createLineCutter(maxBytes: number, onLine: (line: Buffer) => void): (chunk: Buffer) => boolean {
  let held: Buffer[] = [];
  let heldBytes = 0;
  const emit = (tail: Buffer): boolean => {
    const line = heldBytes === 0 ? tail : Buffer.concat([...held, tail], heldBytes + tail.length);
    held = [];
    heldBytes = 0;
    if (line.length > maxBytes) return false;
    const end = line.length > 0 && line[line.length - 1] === CR ? line.length - 1 : line.length;
    if (end > 0) onLine(end === line.length ? line : line.subarray(0, end));
    return true;
  };
  return (chunk) => {
    let start = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, start)) {
      if (!emit(chunk.subarray(start, at))) return false;
      start = at + 1;
    }
    if (start < chunk.length) {
      held.push(start === 0 ? chunk : chunk.subarray(start));
      heldBytes += chunk.length - start;
    }
    return heldBytes <= maxBytes; // CWE-400: a line that never ends must not fill our memory
  };
}
