import { resolve } from 'node:path';
import { parseDuration } from '../policy/duration.ts';
import type { File } from './schema.ts';
import { secretOf, type Secret, type Surroundings } from './secrets.ts';

/** Where persons come from and how they prove it; durations in milliseconds, files absolute. */
export type IdentityConfig = {
  readonly production: boolean;
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  readonly recheckMs: number;
  readonly sessions: { readonly idleMs: number; readonly longestMs: number };
  readonly tokens: { readonly lifetimeMs: number; readonly longestMs: number };
  readonly confirm: 'never' | 'unknown-password' | 'always';
  /** By the address that the machine is called here. */
  readonly machines: ReadonlyMap<string, MachineConfig>;
  readonly agents: ReadonlyMap<string, AgentConfig>;
};

export type ProviderConfig = OidcConfig | SamlConfig | EmbeddedConfig;

type Common = {
  readonly name: string;
  /** On the button. */
  readonly label: string;
};

/** What is read from what a provider says of a person. */
export type ClaimsConfig = {
  readonly claims: { readonly email: string; readonly name: string; readonly groups: string };
  /** The provider's name of a group → ours. Undefined: all groups, under their own names. */
  readonly groups?: ReadonlyMap<string, string>;
  /** Lower case. Undefined: any. */
  readonly domains?: readonly string[];
  readonly clockSkewMs: number;
  /** The bearer token of the provider's SCIM client. */
  readonly scim?: { readonly token: Secret };
};

export type OidcConfig = Common &
  ClaimsConfig & {
    readonly protocol: 'oidc';
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret?: Secret;
    readonly scopes: readonly string[];
    readonly audience?: string;
    readonly verifiedEmail: 'required' | 'assumed';
    readonly ca?: string;
  };

export type SamlConfig = Common &
  ClaimsConfig & {
    readonly protocol: 'saml';
    readonly issuer: string;
    readonly entryPoint: string;
    readonly cert: string;
    readonly entityId?: string;
    readonly logoutUrl?: string;
    readonly key?: string;
    readonly certificate?: string;
    readonly idpInitiated: boolean;
  };

export type EmbeddedConfig = Common & { readonly protocol: 'embedded' };

export type MachineConfig = {
  readonly name: string;
  readonly groups: readonly string[];
  readonly issuer: string;
  readonly jwks?: string;
  readonly audience: string;
  /** Each claim must have one of these values. */
  readonly claims: ReadonlyMap<string, readonly string[]>;
};

export type AgentConfig = {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly provider: string;
  readonly clientId: string;
};

/** What a file without `identity` means: people come with tokens that the operator hands out. */
export const NO_PROVIDERS: IdentityConfig = {
  production: false,
  providers: new Map(),
  recheckMs: 15 * 60_000,
  sessions: { idleMs: 30 * 60_000, longestMs: 12 * 3_600_000 },
  tokens: { lifetimeMs: 8 * 3_600_000, longestMs: 7 * 86_400_000 },
  confirm: 'never',
  machines: new Map(),
  agents: new Map(),
};

export function buildIdentity({ identity }: File, around: Surroundings): IdentityConfig {
  const { production, recheck, sessions, tokens, confirm } = identity;
  return {
    production,
    providers: new Map(
      Object.entries(identity.providers).map(([name, one]) => [name, provider(name, one, around)]),
    ),
    recheckMs: ms(recheck),
    sessions: { idleMs: ms(sessions.idle), longestMs: ms(sessions.longest) },
    tokens: { lifetimeMs: ms(tokens.lifetime), longestMs: ms(tokens.longest) },
    confirm,
    machines: new Map(
      Object.entries(identity.machines).map(([email, { jwks, claims: wanted, ...rest }]) => [
        email.toLowerCase(),
        {
          ...rest,
          ...(jwks !== undefined && { jwks }),
          claims: new Map(Object.entries(wanted).map(([claim, value]) => [claim, [value].flat()])),
        },
      ]),
    ),
    agents: new Map(Object.entries(identity.agents).map(([id, one]) => [id, { id, ...one }])),
  };
}

const GOOGLE = 'https://accounts.google.com';

/**
 * Whether people can sign in anew for one request: by an OpenID provider that tells when they did. Google tells nobody,
 * and SAML is not asked for it.
 */
export const canStepUp = ({ providers }: IdentityConfig): boolean =>
  [...providers.values()].some(
    (each) => each.protocol === 'embedded' || (each.protocol === 'oidc' && each.issuer !== GOOGLE),
  );

type ProviderFile = File['identity']['providers'][string];

function provider(name: string, file: ProviderFile, around: Surroundings): ProviderConfig {
  const common = { name, label: file.label ?? name };
  switch (file.protocol) {
    case 'embedded':
      return { ...common, protocol: 'embedded' };
    case 'oidc': {
      const { issuer, clientId, clientSecret, scopes, audience, verifiedEmail, ca } = file;
      return {
        ...common,
        ...claims(file, around),
        protocol: 'oidc',
        issuer,
        clientId,
        scopes,
        verifiedEmail,
        ...(clientSecret !== undefined && { clientSecret: secretOf(clientSecret, around) }),
        ...(audience !== undefined && { audience }),
        ...(ca !== undefined && { ca: resolve(around.base, ca) }),
      };
    }
    case 'saml': {
      const { issuer, entryPoint, cert, entityId, logoutUrl, key, certificate } = file;
      return {
        ...common,
        ...claims(file, around),
        protocol: 'saml',
        issuer,
        entryPoint,
        cert: resolve(around.base, cert),
        idpInitiated: file.idpInitiated,
        ...(entityId !== undefined && { entityId }),
        ...(logoutUrl !== undefined && { logoutUrl }),
        ...(key !== undefined && { key: resolve(around.base, key) }),
        ...(certificate !== undefined && { certificate: resolve(around.base, certificate) }),
      };
    }
  }
}

function claims(
  file: Exclude<ProviderFile, { protocol: 'embedded' }>,
  around: Surroundings,
): ClaimsConfig {
  const { groups, domains, scim } = file;
  return {
    claims: file.claims,
    clockSkewMs: ms(file.clockSkew),
    ...(groups && { groups: new Map(Object.entries(groups)) }),
    ...(domains && { domains: domains.map((domain) => domain.toLowerCase()) }),
    ...(scim && { scim: { token: secretOf(scim.token, around) } }),
  };
}

/** The schema has seen that it parses. */
const ms = (text: string): number => parseDuration(text) ?? Number.NaN;
