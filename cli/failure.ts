/** What a script may rely on. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, ended: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error that is an answer: printed as `message` and `hint`, without a stack, and ends the command with `exit`. */
export class Failure extends Error {
  override name = 'Failure';
  readonly exit: ExitCode;
  readonly hint?: string;
  constructor(message: string, detail: { hint?: string; exit?: ExitCode; cause?: unknown } = {}) {
    super(message, { cause: detail.cause });
    this.exit = detail.exit ?? EXIT.failed;
    if (detail.hint !== undefined) this.hint = detail.hint;
  }
}

/** Bad arguments or a bad configuration. */
export function usageFailure(message: string, hint?: string): Failure {
  return new Failure(message, { exit: EXIT.usage, ...(hint === undefined ? {} : { hint }) });
}
