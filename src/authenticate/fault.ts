/** The configuration of this room cannot be used; the start stops. `faults` name the field, never a secret. */
export class AuthenticateFault extends Error {
  override readonly name = 'AuthenticateFault';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.faults = faults;
  }
}
export const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
