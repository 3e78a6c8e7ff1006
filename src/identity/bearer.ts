import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import type { AgentConfig, IdentityConfig, MachineConfig, OidcConfig } from '../config/identity.ts';
import { CannotCheck, Keys } from './bearer/keys.ts';

export { CannotCheck };

/** Signatures that only the issuer can make; a shared secret (HS256) or none at all is no proof. */
const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');
/** Whatever the issuer says, a token that lives longer is a password. */
const LONGEST_S = 24 * 3_600;
const MACHINE_SKEW_S = 30;
/** Of a token, in bytes: beyond the largest that platforms make. */
export const LONGEST_JWT = 12_288;

/** A token that proves nothing here; the message may be shown to whoever brought it, and holds nothing of it. */
export class BadBearer extends Error {
  override name = 'BadBearer';
}

type Verified = {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** From `iat` to `exp`; undefined without `iat`. */
  readonly livesMs?: number;
  readonly issuer: string;
  readonly jti?: string;
};

/** An access token of a provider. Who it is is told by `subject`: an address in it proves nothing. */
export type AccessToken = Verified & {
  readonly provider: string;
  readonly subject: string;
  /** The program that it was issued to, where the provider says. */
  readonly clientId?: string;
  /** Somebody acts for the subject already (RFC 8693 section 4.1). */
  readonly acted: boolean;
};

/** A platform's token of one machine of the configuration. */
export type MachineToken = Verified & { readonly machine: string };

/** Both checks reject with BadBearer; with anything else when the issuer's keys cannot be had, and nothing is believed. */
export interface Bearers {
  /** RFC 9068, and the forms that came before it; never an ID token. */
  access(jwt: string): Promise<AccessToken>;
  /** By the trust rules of the configuration; exactly one must fit. */
  machine(jwt: string): Promise<MachineToken>;
  /** The agent that a provider's access token was issued to. */
  agent(token: AccessToken): AgentConfig;
}

/** `providerKeys`: where a provider's keys come from, if they are kept elsewhere already. */
export function openBearers(
  { providers, machines, agents }: Pick<IdentityConfig, 'providers' | 'machines' | 'agents'>,
  providerKeys?: (provider: OidcConfig) => JWTVerifyGetKey | undefined,
): Bearers {
  const keys = new Keys();
  const oidc = [...providers.values()].filter((one) => one.protocol === 'oidc');
  return {
    async access(jwt) {
      const issuer = issuerOf(jwt);
      const provider = oidc.find((one) => one.issuer === issuer && one.audience !== undefined);
      if (!provider?.audience)
        throw new BadBearer('the token is of no provider that is known here');
      const { issuer: iss, audience, clockSkewMs } = provider;
      const set = providerKeys?.(provider) ?? (await keys.ofIssuer(iss));
      const skew = Math.ceil(clockSkewMs / 1_000);
      const payload = await verify(jwt, set, { issuer: iss, audience }, skew);
      refuseOtherKinds(jwt, payload, provider);
      const clientId = clientOf(payload);
      return {
        ...verified(payload, iss),
        provider: provider.name,
        subject: subjectOf(payload),
        acted: payload['act'] !== undefined,
        ...(clientId !== undefined && { clientId }),
      };
    },

    async machine(jwt) {
      const issuer = issuerOf(jwt);
      const trusted = [...machines].filter(([, rule]) => speaksFor(rule, issuer));
      const proofs = await Promise.allSettled(
        trusted.map(async ([email, rule]) => ({
          email,
          payload: await machinePayload(jwt, rule, issuer, keys),
        })),
      );
      const fits = proofs.flatMap((proof) => (proof.status === 'fulfilled' ? [proof.value] : []));
      const [fit, another] = fits;
      if (another)
        throw new BadBearer(
          'more than one machine fits this token; the operator must tell them apart',
        );
      // One that could not be asked might have fitted too.
      const failed = proofs.find((proof) => proof.status === 'rejected' && !isBad(proof.reason));
      if (failed?.status === 'rejected') throw failed.reason;
      if (!fit) throw whyNone(proofs);
      return { ...verified(fit.payload, issuer ?? ''), machine: fit.email };
    },

    agent({ provider, clientId }) {
      const found = [...agents.values()].filter(
        (one) => one.provider === provider && one.clientId === clientId,
      );
      const [agent, another] = found;
      if (!agent || another) throw new BadBearer('the token is of no agent that is known here');
      return agent;
    },
  };
}

/** True for a JWT by its form: three parts in base64url. */
export function looksLikeJwt(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/u.test(text);
}

/** Undefined for a token that names none (a JWT-SVID may). Not verified: it only chooses whose keys are asked. */
function issuerOf(jwt: string): string | undefined {
  if (jwt.length > LONGEST_JWT || !looksLikeJwt(jwt))
    throw new BadBearer('this is no signed JSON web token');
  try {
    decodeProtectedHeader(jwt);
    return decodeJwt(jwt).iss;
  } catch {
    throw new BadBearer('this is no signed JSON web token');
  }
}

/** A JWT-SVID without `iss` is told by its keys, which then must be named, and by the exact SPIFFE id. */
function speaksFor(rule: MachineConfig, issuer: string | undefined): boolean {
  if (issuer !== undefined) return rule.issuer === issuer;
  const ids = rule.claims.get('sub') ?? [];
  return rule.jwks !== undefined && ids.length > 0 && ids.every((id) => id.startsWith('spiffe://'));
}

async function machinePayload(
  jwt: string,
  rule: MachineConfig,
  issuer: string | undefined,
  keys: Keys,
): Promise<JWTPayload> {
  const { audience } = rule;
  const set = rule.jwks === undefined ? await keys.ofIssuer(rule.issuer) : keys.at(rule.jwks);
  const expected = { audience, ...(issuer !== undefined && { issuer }) };
  const payload = await verify(jwt, set, expected, MACHINE_SKEW_S);
  // Whoever else it was made for could bring it here.
  if ([payload.aud].flat().length !== 1) throw new BadBearer('the token is for others too');
  const type = typeOf(jwt);
  if (!['jwt', 'jose', 'at+jwt', ''].includes(type))
    throw new BadBearer(`a token of the type ${JSON.stringify(type)} is none of a machine`);
  for (const [claim, values] of rule.claims)
    if (!isOneOf(payload, claim, values))
      throw new BadBearer(
        `the claim ${JSON.stringify(claim)} is not what the operator has allowed`,
      );
  return payload;
}

/** The whole value, and a text: no list that holds it, no beginning, no other case. */
function isOneOf(payload: JWTPayload, claim: string, values: readonly string[]): boolean {
  const value = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  return typeof value === 'string' && values.includes(value);
}

type Expected = { readonly issuer?: string; readonly audience: string };

async function verify(
  jwt: string,
  keys: JWTVerifyGetKey,
  expected: Expected,
  skewS: number,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(jwt, keys, {
      ...expected,
      algorithms: ALGORITHMS,
      clockTolerance: skewS,
      requiredClaims: ['sub', 'exp', 'aud'],
    });
    checkTimes(payload, skewS);
    if (typeof payload.sub !== 'string' || payload.sub === '')
      throw new BadBearer('the token says nobody');
    return payload;
  } catch (error) {
    throw reasonOf(error);
  }
}

function checkTimes({ exp = 0, iat }: JWTPayload, skewS: number): void {
  const now = Date.now() / 1_000;
  if (iat !== undefined && !(iat <= now + skewS))
    throw new BadBearer('the token is from the future: compare the clocks');
  if (!(exp - (iat ?? now) <= LONGEST_S + skewS) || !(exp - now <= LONGEST_S + skewS))
    throw new BadBearer('the token lives longer than 24 hours');
}

const CLAIMS: Readonly<Record<string, string>> = {
  aud: 'the token was not made for this gateway (aud)',
  iss: 'the token is of another issuer (iss)',
  nbf: 'the token is not valid yet: compare the clocks',
};

function reasonOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new BadBearer('the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed)
    return new BadBearer(CLAIMS[error.claim] ?? `the token’s claim ${error.claim} is not right`);
  if (error instanceof errors.JOSEAlgNotAllowed)
    return new BadBearer('the token is signed in a way that proves nothing (alg)');
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid)
    return new CannotCheck('the issuer’s keys cannot be had', { cause: error });
  // Without its message: it may quote the token.
  if (error instanceof errors.JOSEError)
    return new BadBearer('the token’s signature is none of its issuer');
  return error;
}

/** What only ID tokens and logout tokens have. */
const OTHER_KINDS = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'];
/** What only access tokens have: OAuth's scope, as Okta and Entra ID write it, and how Entra ID's client proved itself. */
const ACCESS = ['scope', 'scp', 'azpacr', 'appidacr'];

/** What is signed with the same keys for another use: ID tokens above all, whose audience is the client. */
function refuseOtherKinds(jwt: string, payload: JWTPayload, provider: OidcConfig): void {
  const type = typeOf(jwt);
  if (type === 'at+jwt') return;
  const has = (claim: string): boolean => Object.hasOwn(payload, claim);
  const kind = payload['typ'] ?? payload['token_use'];
  const { audience, clientId } = provider;
  // Entra ID's access tokens have the application itself as audience, which the operator then names.
  const forClient = audience !== clientId && [payload.aud].flat().includes(clientId);
  if (
    (type !== 'jwt' && type !== '') ||
    forClient ||
    OTHER_KINDS.some(has) ||
    (kind === undefined ? !ACCESS.some(has) : !isAccess(kind))
  )
    throw new BadBearer(
      'this is no access token: an ID token says who signed in, and opens nothing',
    );
}

/** Keycloak's `typ`, Cognito's `token_use`. */
const isAccess = (kind: unknown): boolean =>
  typeof kind === 'string' && /^(access|bearer)$/iu.test(kind);

/** RFC 7515 section 4.1.9: without `application/`, any case. */
function typeOf(jwt: string): string {
  const { typ = '' } = decodeProtectedHeader(jwt);
  return typ.toLowerCase().replace(/^application\//u, '');
}

/** Okta's access tokens have the login as `sub`, and what its ID tokens call `sub` as `uid`, beside a `cid` of its own. */
function subjectOf({ sub = '', uid, cid, azp, client_id }: JWTPayload): string {
  const okta = cid !== undefined && azp === undefined && client_id === undefined;
  return okta && typeof uid === 'string' ? uid : sub;
}

/** As RFC 9068 says it, OpenID Connect, Okta. Two that differ are none. */
function clientOf(payload: JWTPayload): string | undefined {
  const names = ['client_id', 'azp', 'cid'].flatMap((claim) => {
    const value = payload[claim];
    return value === undefined ? [] : [value];
  });
  const [name] = names;
  return typeof name === 'string' && names.every((other) => other === name) ? name : undefined;
}

function verified({ exp = 0, iat, jti }: JWTPayload, issuer: string): Verified {
  return {
    issuer,
    expiresAt: exp * 1_000,
    ...(iat !== undefined && { livesMs: (exp - iat) * 1_000 }),
    ...(jti !== undefined && jti !== '' && { jti }),
  };
}

const isBad = (error: unknown): error is BadBearer => error instanceof BadBearer;

function whyNone(proofs: readonly PromiseSettledResult<unknown>[]): BadBearer {
  const reasons = new Set(
    proofs.flatMap((proof) =>
      proof.status === 'rejected' && isBad(proof.reason) ? [proof.reason.message] : [],
    ),
  );
  const [reason] = reasons;
  return new BadBearer(
    reason !== undefined && reasons.size === 1
      ? reason
      : 'the token is of no machine that is known here',
  );
}
