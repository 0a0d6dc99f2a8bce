/** What is wrong with a rule, and where in it. */
export class RuleFault extends Error {
  readonly path: readonly (string | number)[];
  constructor(path: readonly (string | number)[], wrong: string) {
    super(wrong);
    this.path = path;
  }
}
