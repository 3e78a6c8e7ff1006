/** Why something could not start, in a sentence for the operator, and what to do about it. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/** Turns an error of the file system or of starting a program into a sentence; `doing` begins it ("write /x"). */
export function explain(error: unknown, doing: string): StartError {
  if (error instanceof StartError) return error;
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const [why, hint] = REASONS[code] ?? [
    error instanceof Error ? error.message : String(error),
    'See the log, then start again.',
  ];
  return new StartError(`Cannot ${doing}: ${why}.`, hint, { cause: error });
}

const DENIED = [
  'this user has no permission',
  'Give this user the right to write there, or run as its owner.',
] as const;
const FULL = ['the disk is full', 'Free some space (about 300 MB), then start again.'] as const;

const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: ['the file system is read-only', 'Use a folder that can be written.'],
  ENOSPC: FULL,
  EDQUOT: FULL,
};
