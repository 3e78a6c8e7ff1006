import type { OidcProvider } from './provider.ts';
import { BadToken, verifyJwt } from './verify.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** A logout token that lay around for longer says nothing about now. */
const OLDEST_MS = 5 * 60_000;

/** A session at the provider that has ended, or all of a person's when there is no `sid`. */
export type LoggedOut = {
  readonly subject?: string;
  readonly sid?: string;
  readonly jti: string;
  /** In milliseconds since the epoch. */
  readonly expiresAt: number;
};

/**
 * OpenID Connect Back-Channel Logout 1.0, 2.6, all but the replay of `jti`, which the caller's store sees. Rejects with
 * BadToken, or ProviderAway.
 */
export async function readLogoutToken(
  provider: OidcProvider,
  token: string,
  now = Date.now(),
): Promise<LoggedOut> {
  const claims = await verifyJwt(provider, token, {
    audience: provider.config.clientId,
    required: ['jti', 'events'],
    now,
  });
  const { jti, sub, sid, events, nonce, iat, exp } = claims;
  if (!isLogout(events)) throw new BadToken('claim-events', 'it is no logout token');
  // Else an ID token of the same provider could pass for one.
  if (nonce !== undefined) throw new BadToken('claim-nonce', 'a logout token has no nonce');
  if (typeof jti !== 'string' || jti === '') throw new BadToken('claim-jti', 'its jti is no text');
  const subject = textOrNone('sub', sub);
  const session = textOrNone('sid', sid);
  if (subject === undefined && session === undefined)
    throw new BadToken('claim-sub', 'it names neither a person nor a session');
  const skew = provider.config.clockSkewMs;
  if (now - iat * 1_000 > OLDEST_MS + skew) throw new BadToken('expired', 'it is too old');
  return {
    jti,
    expiresAt: Math.max((exp ?? 0) * 1_000, iat * 1_000 + OLDEST_MS) + 2 * skew,
    ...(subject !== undefined && { subject }),
    ...(session !== undefined && { sid: session }),
  };
}

function isLogout(events: unknown): boolean {
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, EVENT)) return false;
  const value: unknown = Reflect.get(events, EVENT);
  return typeof value === 'object' && value !== null;
}

function textOrNone(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new BadToken(`claim-${name}`, `its ${name} is no text`);
}
