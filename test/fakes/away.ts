import { canStepUp, type IdentityConfig, type OidcConfig } from '#src/config/identity.ts';

/** The demo's rules ask for a fresh sign-in, so there must be a provider; this one never answers. */
export function withStepUp(identity: IdentityConfig): IdentityConfig {
  if (canStepUp(identity)) return identity;
  const away: OidcConfig = {
    name: 'away',
    label: 'Away',
    protocol: 'oidc',
    issuer: 'http://127.0.0.1:9',
    clientId: 'test',
    scopes: ['openid'],
    claims: { email: 'email', name: 'name', groups: 'groups' },
    verifiedEmail: 'required',
    domains: ['away.example'],
    clockSkewMs: 0,
  };
  return { ...identity, providers: new Map([...identity.providers, ['away', away]]) };
}
