/** What judging one call may cost. One for the whole room: judging never waits, so no two calls use it at once. */
export interface Work {
  left: number;
  readonly charge: (steps: number) => void;
}
/** Thrown when a schema and a value together ask for more. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork';
}

/**
 * Bounds the time of one judgement whatever the schema: branches that lead to branches over `$ref` double with every level, and linear patterns
 * still cost their length times their states (CWE-400, CWE-407).
 */
export function createWork(): Work {
  const work: Work = {
    left: 0,
    charge: (steps) => {
      work.left -= steps;
      if (work.left < 0) throw new TooMuchWork('judging took too many steps');
    },
  };
  return work;
}
