import * as client from 'openid-client';
import { NotWelcome, type Assertion } from '../sign-in.ts';
import { readClaims, saysAll, type Claims } from './claims.ts';
import type { FlowSecrets } from './flow.ts';
import type { OidcProvider } from './provider.ts';
import { refusalFrom, SignInRefused } from './refused.ts';
import { BadToken, verifyJwt } from './verify.ts';

export type Ask = {
  readonly redirectUri: string;
  readonly secrets: FlowSecrets;
  /** The person must prove it anew, however they are signed in there. */
  readonly fresh: boolean;
  /** Authentication context classes that a rule asks for. */
  readonly acr?: readonly string[];
};

/** Where to send the browser: authorization code with PKCE (RFC 7636), state and nonce. */
export async function authorizationUrl(provider: OidcProvider, ask: Ask): Promise<URL> {
  const { label, scopes } = provider.config;
  const { state, nonce, pkceVerifier } = ask.secrets;
  try {
    const { scopes_supported: known } = await provider.metadata();
    // Google has no such scope but a parameter of its own, and gives a second refresh token only with a new consent.
    const offline =
      scopes.includes('offline_access') && known?.includes('offline_access') === false;
    const prompts = [...(ask.fresh ? ['login'] : []), ...(offline ? ['consent'] : [])];
    return client.buildAuthorizationUrl(await provider.client(), {
      redirect_uri: ask.redirectUri,
      scope: scopes.filter((scope) => !offline || scope !== 'offline_access').join(' '),
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceVerifier),
      code_challenge_method: 'S256',
      ...(offline && { access_type: 'offline' }),
      ...(prompts.length > 0 && { prompt: prompts.join(' ') }),
      ...(ask.fresh && { max_age: '0' }),
      ...(ask.acr && ask.acr.length > 0 && { acr_values: ask.acr.join(' ') }),
    });
  } catch (error) {
    throw refusalFrom(label, error);
  }
}

/**
 * What the provider says of who came back to `url`: the code is exchanged once, and the ID token must be this provider's
 * own, for us, for this very attempt. Rejects with SignInRefused or NotWelcome, or ProviderAway.
 */
export async function finishSignIn(
  provider: OidcProvider,
  url: URL,
  { state, nonce, pkceVerifier }: FlowSecrets,
): Promise<Assertion> {
  const { label } = provider.config;
  try {
    const tokens = await client.authorizationCodeGrant(await provider.client(), url, {
      pkceCodeVerifier: pkceVerifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const claims = await idTokenClaims(provider, tokens.id_token);
    const said = readClaims(provider.config, await withUserinfo(provider, tokens, claims));
    return {
      provider: provider.config.name,
      ...said,
      ...factsOf(claims),
      ...(tokens.refresh_token !== undefined && { refreshToken: tokens.refresh_token }),
      ...(tokens.id_token !== undefined && { idToken: tokens.id_token }),
    };
  } catch (error) {
    throw refusalFrom(label, error);
  }
}

export type Refreshed = {
  readonly name: string;
  readonly groups: readonly string[];
  /** When the provider gave another one, the old one may be void. */
  readonly refreshToken?: string;
};

/**
 * Asks again by refresh token. Rejects with NotWelcome when the provider says that this is nobody any more (or somebody
 * else: another subject or address), with ProviderAway when it says nothing.
 */
export async function refresh(
  provider: OidcProvider,
  known: { readonly subject: string; readonly email: string; readonly refreshToken: string },
): Promise<Refreshed> {
  const { label } = provider.config;
  try {
    const tokens = await client.refreshTokenGrant(await provider.client(), known.refreshToken);
    const claims =
      tokens.id_token === undefined
        ? { sub: known.subject }
        : await idTokenClaims(provider, tokens.id_token);
    if (claims['sub'] !== known.subject)
      throw new SignInRefused('other-subject', `${label} speaks of another account now.`);
    const { email, name, groups } = readClaims(
      provider.config,
      await withUserinfo(provider, tokens, claims),
    );
    if (email !== known.email)
      throw new SignInRefused('other-address', `${label} gives another e-mail address now.`);
    return {
      name,
      groups,
      ...(tokens.refresh_token !== undefined && { refreshToken: tokens.refresh_token }),
    };
  } catch (error) {
    throw notRefreshed(label, error);
  }
}

/** Only the provider's own word lets somebody go: not our secret that it does not know, nor a key that we do not know yet. */
function notRefreshed(label: string, error: unknown): unknown {
  if (error instanceof NotWelcome) return error;
  const refusal = refusalFrom(label, error);
  if (!(refusal instanceof NotWelcome)) return refusal;
  const isWord = error instanceof client.ResponseBodyError && error.error === 'invalid_grant';
  return isWord ? refusal : new Error(refusal.message, { cause: error });
}

/** Where to send the browser so that the session at the provider ends too; undefined when it has no such place. */
export async function endSessionUrl(
  provider: OidcProvider,
  { idToken, back }: { readonly idToken?: string; readonly back: string },
): Promise<URL | undefined> {
  const { end_session_endpoint: place } = await provider.metadata();
  if (place === undefined) return undefined;
  return client.buildEndSessionUrl(await provider.client(), {
    post_logout_redirect_uri: back,
    ...(idToken !== undefined && { id_token_hint: idToken }),
  });
}

type Tokens = Pick<client.TokenEndpointResponse, 'access_token' | 'id_token'>;

/** OpenID Connect Core 3.1.3.7; the library has compared nonce, audience and authorized party before. */
async function idTokenClaims(provider: OidcProvider, token: string | undefined): Promise<Claims> {
  const { clientId, label } = provider.config;
  if (token === undefined) throw new SignInRefused('no-id-token', `${label} gave no ID token.`);
  const claims = await verifyJwt(provider, token, { audience: clientId, required: ['sub', 'exp'] });
  // Back-Channel Logout 1.0, 2.4: a logout token must not pass for an ID token.
  if (claims['events'] !== undefined)
    throw new BadToken('not-an-id-token', 'it is a logout token, not an ID token');
  const { azp } = claims;
  if (azp !== undefined && azp !== clientId)
    throw new BadToken('claim-azp', 'it was given to another client');
  return claims;
}

/** Some providers put groups and the rest into userinfo only. What the signed ID token says counts first. */
async function withUserinfo(
  provider: OidcProvider,
  tokens: Tokens,
  claims: Claims,
): Promise<Claims> {
  const { userinfo_endpoint: place } = await provider.metadata();
  if (place === undefined || saysAll(provider.config, claims)) return claims;
  const { email_verified: verified, ...info } = await client.fetchUserInfo(
    await provider.client(),
    tokens.access_token,
    String(claims['sub']),
  );
  // It speaks of the address beside it, and of no other.
  const same = claims['email'] === undefined || claims['email'] === info.email;
  return { ...info, ...(same && { email_verified: verified }), ...claims };
}

function factsOf(claims: Claims): Pick<Assertion, 'authTime' | 'acr' | 'amr' | 'sid'> {
  const { auth_time: authTime, acr, amr, sid } = claims;
  const ways = Array.isArray(amr) ? amr.filter((each) => typeof each === 'string') : [];
  return {
    ...(typeof authTime === 'number' && { authTime: authTime * 1_000 }),
    ...(typeof acr === 'string' && { acr }),
    ...(ways.length > 0 && { amr: ways }),
    ...(typeof sid === 'string' && { sid }),
  };
}
