/** A set of small whole numbers, one bit each: a thousand rules are intersected in 32 steps. */
export type Bits = Uint32Array;

/** Those of `among` (whole numbers below `size`) for which `test` is true. */
export function bitsOf(size: number, among: Iterable<number>, test: (i: number) => boolean): Bits {
  const bits = new Uint32Array((size + 31) >>> 5);
  for (const i of among) {
    if (test(i)) bits[i >>> 5] = (bits[i >>> 5] ?? 0) | (1 << (i & 31));
  }
  return bits;
}

export const has = (bits: Bits, i: number): boolean => ((bits[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0;
export const isEmpty = (bits: Bits): boolean => bits.every((word) => word === 0);

/** The first `most` numbers that are in both sets; an empty array, always the same one, when there are none. */
export function inBoth(a: Bits, b: Bits, most = Infinity): readonly number[] {
  let found: number[] | null = null;
  for (let w = 0; w < a.length; w++) {
    for (let rest = (a[w] ?? 0) & (b[w] ?? 0); rest !== 0; rest &= rest - 1) {
      found ??= [];
      found.push((w << 5) + 31 - Math.clz32(rest & -rest));
      if (found.length === most) return found;
    }
  }
  return found ?? NONE;
}
const NONE: readonly number[] = [];
