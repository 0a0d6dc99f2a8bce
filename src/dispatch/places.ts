/** Calls that wait for what their server asked: bounded in all and for each caller, so that nobody fills the memory of all (CWE-770). */
export interface Places {
  /** Returns how to give the place back, which may be said more than once; null: there is none. */
  readonly take: (principalId: string) => (() => void) | null;
}

export function createPlaces(limits: { readonly max: number; readonly max_per_caller: number }): Places {
  const held = new Map<string, number>();
  let all = 0;
  return {
    take: (principalId) => {
      const own = held.get(principalId) ?? 0;
      if (all >= limits.max || own >= limits.max_per_caller) return null;
      held.set(principalId, own + 1);
      all++;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        all--;
        const left = (held.get(principalId) ?? 1) - 1;
        if (left === 0) held.delete(principalId);
        else held.set(principalId, left);
      };
    },
  };
}
