import { errors, jwtVerify, type JWTPayload } from 'jose';
import type { OidcProvider } from './provider.ts';

/** Signed with a key pair: `none` is no signature, and with HS256 the public key could pass for a secret. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** A token that does not prove what it should; `code` is for the record. */
export class BadToken extends Error {
  override name = 'BadToken';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type VerifyOptions = {
  readonly audience: string;
  /** Claims it must have, beside `iss`, `aud` and `iat`. */
  readonly required: readonly string[];
  readonly now?: number;
};

/**
 * The claims of a JWT that this provider signed for `audience`: signature by its own key set (never by a key or an
 * address that the token itself brings), issuer, audience, times within the configured skew. Rejects with BadToken, or
 * ProviderAway when the keys cannot be had.
 */
export async function verifyJwt(
  provider: OidcProvider,
  token: string,
  { audience, required, now = Date.now() }: VerifyOptions,
): Promise<JWTPayload & { readonly iat: number }> {
  const { issuer, clockSkewMs } = provider.config;
  const skew = Math.ceil(clockSkewMs / 1_000);
  const { payload } = await jwtVerify(token, provider.keys, {
    algorithms: ALGORITHMS,
    issuer,
    audience,
    requiredClaims: ['iss', 'aud', 'iat', ...required],
    clockTolerance: skew,
    currentDate: new Date(now),
  }).catch((error: unknown) => {
    throw asBadToken(error);
  });
  const { iat } = payload;
  if (iat === undefined || iat > now / 1_000 + skew)
    throw new BadToken('issued-later', 'it was issued in the future: compare the clocks');
  return { ...payload, iat };
}

function asBadToken(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return bad('expired', 'it has expired', error);
  if (error instanceof errors.JWTClaimValidationFailed)
    return bad(`claim-${error.claim}`, `its ${error.claim} is not as it must be`, error);
  if (error instanceof errors.JOSEAlgNotAllowed)
    return bad('algorithm', 'it is not signed with a key pair', error);
  if (error instanceof errors.JWKSTimeout) return error;
  return error instanceof errors.JOSEError
    ? bad('signature', 'it is not signed by the provider', error)
    : error;
}

const bad = (code: string, message: string, cause: unknown): BadToken =>
  new BadToken(code, message, { cause });
