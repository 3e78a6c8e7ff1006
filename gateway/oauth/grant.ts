import type { Scope } from '#src/identity/token.ts';

/** Who asks the token endpoint, as far as one can see. */
export type GrantRequest = {
  /** The form's fields; none came twice. */
  readonly form: ReadonlyMap<string, string>;
  /** What the program calls itself; clients are public, so it proves nothing. Empty when it said nothing. */
  readonly clientId: string;
  readonly address: string;
};

/** RFC 6749 section 5.1. `expires_in` in seconds. */
export type TokenReply = {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope: string;
  /** RFC 8693 section 2.2.1. */
  readonly issued_token_type?: string;
};

/** One way to a token; throws OauthError. */
export type Grant = (request: GrantRequest) => Promise<TokenReply>;

/** The reply for a token that was just issued. */
export function tokenReply(
  token: string,
  info: { readonly expiresAt: string; readonly scopes: readonly Scope[] },
): TokenReply {
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: Math.max(0, Math.floor((Date.parse(info.expiresAt) - Date.now()) / 1_000)),
    scope: info.scopes.join(' '),
  };
}
