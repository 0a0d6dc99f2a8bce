import type { IncomingMessage } from 'node:http';
import type { Load } from './arrive.ts';

/** How reading ended: the bytes, or what stopped it. */
export type BodyEnd = Buffer | 'too_large' | 'overloaded';

/**
 * Reads a body and stops at the limit, not after it (CWE-770). The bytes of all bodies together are bounded too, because strangers
 * may send them. `done` is called once, or never when the client goes away; `release` then gives the bytes back.
 */
export class BodyReader {
  private readonly load: Load;
  private readonly req: IncomingMessage;
  private readonly maxBytes: number;
  private readonly maxTotal: number;
  private readonly length: number;
  private done: ((end: BodyEnd) => void) | null;
  private chunks: Buffer[] | null = null;
  private size = 0;

  /** `length`: the Content-Length, above 0; -1 when the body comes in chunks. */
  constructor(req: IncomingMessage, load: Load, limits: { maxBytes: number; maxTotal: number }, length: number, done: (end: BodyEnd) => void) {
    this.req = req;
    this.load = load;
    this.maxBytes = limits.maxBytes;
    this.maxTotal = limits.maxTotal;
    this.length = length;
    this.done = done;
    req.on('data', (chunk: Buffer) => this.take(chunk));
    if (length < 0) req.on('end', () => this.finish());
  }

  /** Gives the memory back; what still arrives is dropped. */
  release(): void {
    this.load.bodyBytes -= this.size;
    this.size = 0;
    this.chunks = null;
    this.done = null;
  }

  private take(chunk: Buffer): void {
    if (this.done === null) return;
    // The whole body in one chunk, as nearly all are: no list, no copy.
    if (this.chunks === null && chunk.length === this.length) return this.end(chunk);
    this.size += chunk.length;
    this.load.bodyBytes += chunk.length;
    if (this.size > this.maxBytes) return this.end('too_large');
    if (this.load.bodyBytes > this.maxTotal) return this.end('overloaded');
    (this.chunks ??= []).push(chunk);
    if (this.size === this.length) this.finish();
  }

  private finish(): void {
    if (this.done !== null) this.end(Buffer.concat(this.chunks ?? []));
  }

  private end(end: BodyEnd): void {
    const done = this.done;
    this.release();
    if (typeof end === 'string') this.req.pause();
    done?.(end);
  }
}
