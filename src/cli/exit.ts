/** Ends a command with this exit code after its message was printed: 1 the answer is no, 2 the call or the configuration is wrong. */
export class Exit extends Error {
  readonly code: 1 | 2;
  constructor(code: 1 | 2, message: string) {
    super(message);
    this.code = code;
  }
}

/** The example under each command's help. */
export const example = (...lines: readonly string[]): string => `\nExample:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
