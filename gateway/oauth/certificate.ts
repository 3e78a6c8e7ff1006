import { UnfitKey, type Certificates, type Issued } from '#src/identity/certificates.ts';
import type { Directory } from '#src/identity/person.ts';
import type { TokenInfo } from '#src/identity/token.ts';
import { OauthError } from './errors.ts';

type Parts = {
  readonly certificates?: Certificates | undefined;
  readonly directory: Directory;
  lifetimeMs(): number;
};

/** A certificate for whoever holds a connect token, and no longer than that; for people only. Throws OauthError. */
export async function certify(
  { certificates, directory, ...settings }: Parts,
  token: TokenInfo | undefined,
  publicKey: string,
): Promise<{ readonly certificate: string; readonly expires_at: string }> {
  if (!certificates)
    throw new OauthError(
      'invalid_request',
      'This gateway issues no certificates: tls.certificateLogin is off.',
    );
  const person = token && (await directory.find(token.person));
  if (!token || !person)
    throw new OauthError('invalid_token', 'The token is unknown, expired or revoked.', 401);
  // An agent's certificate would open sessions that look like its person's own.
  if (token.agent !== undefined || person.machine || !token.scopes.includes('connect'))
    throw new OauthError(
      'insufficient_scope',
      'Only people with a connect token get a certificate.',
      403,
    );
  const { certificate, expiresAt } = await issued(
    certificates,
    token,
    publicKey,
    settings.lifetimeMs(),
  );
  return { certificate, expires_at: expiresAt.toISOString() };
}

async function issued(
  certificates: Certificates,
  token: TokenInfo,
  publicKey: string,
  lifetimeMs: number,
): Promise<Issued> {
  try {
    return await certificates.issue(token, publicKey, lifetimeMs);
  } catch (error) {
    if (error instanceof UnfitKey) throw new OauthError('invalid_request', error.message);
    throw error;
  }
}
