/** An error that ends the connection; the client reads it as FATAL. */
export class Fatal extends Error {
  override name = 'Fatal';
  readonly sqlstate: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Id of the session that it ended, for the log. */
  session?: string;
  constructor(
    sqlstate: string,
    reason: string,
    more: { readonly detail?: string; readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(reason, { cause: more.cause });
    this.sqlstate = sqlstate;
    if (more.detail !== undefined) this.detail = more.detail;
    if (more.hint !== undefined) this.hint = more.hint;
  }
}
