/** An answer of an OAuth endpoint that is no success (RFC 6749 section 5.2, RFC 8628 section 3.5). */
export class OauthError extends Error {
  override name = 'OauthError';
  readonly code: string;
  readonly status: number;
  /** `code` as registered with IANA; the description is for people. */
  constructor(code: string, description: string, status = 400) {
    super(description);
    this.code = code;
    this.status = status;
  }

  get body(): { readonly error: string; readonly error_description: string } {
    return { error: this.code, error_description: this.message };
  }
}
