import { randomUUID } from 'node:crypto';
import type { Session } from 'oidc-provider';
import type { Idp } from '../idp.ts';
import type { Registration } from './configure.ts';

/** What every token has. */
export function claimsOf(issuer: string, audience: string, seconds: number) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: issuer, aud: audience, iat: now, exp: now + seconds, jti: randomUUID() };
}

/** Ends one session, and tells the client as OpenID Connect Back-Channel Logout 1.0 has it. Resolves with how many were told. */
export async function endSession(
  session: Session,
  subject: string,
  idp: Idp,
  { clientId, backchannelLogoutUri }: Registration,
): Promise<number> {
  const sid = session.sidFor(clientId);
  await session.destroy();
  if (backchannelLogoutUri === undefined) return 0;
  const { iss, aud, iat, exp, jti } = claimsOf(idp.issuer, clientId, 120);
  const event = 'http://schemas.openid.net/event/backchannel-logout';
  const claims = { iss, aud, iat, exp, jti, sub: subject, sid, events: { [event]: {} } };
  const forged = await idp.forge?.(claims, { alg: 'RS256', typ: 'logout+jwt' });
  const token =
    typeof forged === 'string' ? forged : await idp.sign(forged ?? claims, { typ: 'logout+jwt' });
  const answer = await fetch(backchannelLogoutUri, {
    method: 'POST',
    body: new URLSearchParams({ logout_token: token }),
  });
  if (!answer.ok)
    throw new Error(`back-channel logout answered ${answer.status}: ${await answer.text()}`);
  return 1;
}
