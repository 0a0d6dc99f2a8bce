import type { GivenUp } from '../call/call.ts';

type Listener = Parameters<GivenUp['addEventListener']>[1];

/** Tells whoever works on a call that its client is gone. Nearly every call has one listener, and nearly none hears anything. */
export class GaveUp implements GivenUp {
  aborted = false;
  private first: Listener | null = null;
  private more: Listener[] | null = null;

  addEventListener(_type: 'abort', listener: Listener): void {
    if (this.first === null) this.first = listener;
    else if (this.first !== listener && this.more?.includes(listener) !== true) (this.more ??= []).push(listener);
  }
  removeEventListener(_type: 'abort', listener: Listener): void {
    if (this.first === listener) this.first = null;
    else if (this.more !== null) this.more = this.more.filter((other) => other !== listener);
  }

  /** Once; whoever comes later asks `aborted`. */
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    const { first, more } = this;
    this.first = this.more = null;
    for (const listener of [first, ...(more ?? [])]) {
      if (typeof listener === 'function') listener();
      else listener?.handleEvent();
    }
  }
}
