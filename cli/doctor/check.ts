export type Check = {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do about it; always there when it is not ok. */
  readonly next?: string;
};

/** A check that could not be made counts as failed: nobody knows that it is well. */
export function failed(what: string, error: unknown, next: string): Check {
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  const found = error instanceof Error && error.message !== '' ? error.message : 'failed';
  return { what, state: 'fail', found: `${found}${found.includes(code) ? '' : code}`, next };
}
