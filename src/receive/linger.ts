import type { ServerResponse } from 'node:http';

/** How long a refused body may go on arriving before the connection is cut. */
const LINGER_MS = 1_000;

/**
 * The answer to a body that is still arriving. Closing at once would reset the connection and the client would never read why; so the
 * answer goes out whole, a little more is read and dropped (`maxBytes` at most), then the connection ends.
 */
export function linger(res: ServerResponse, body: Buffer, maxBytes: number): void {
  const { req } = res;
  res.write(body);
  const end = (): void => {
    clearTimeout(timer);
    res.end();
  };
  const timer = setTimeout(() => req.destroy(), LINGER_MS);
  let dropped = 0;
  req.removeAllListeners('data').on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > maxBytes) req.destroy();
  });
  req.once('end', end).once('close', end).resume();
}
