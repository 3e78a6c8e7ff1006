import type { IdentityConfig, OidcConfig } from '../../config/identity.ts';
import { OidcProvider } from './provider.ts';
import type { OidcStore } from './store.ts';

/** Everything of OpenID Connect that the console needs. */
export type Oidc = {
  /** By their names in the configuration. */
  readonly providers: ReadonlyMap<string, OidcProvider>;
  readonly store: OidcStore;
  /** Seals the state of sign-ins, 32 bytes. */
  readonly secret: Buffer;
};

const GOOGLE = 'https://accounts.google.com';

/** The providers of the configuration, and `embedded` as one more. Nothing is asked of them yet. */
export function oidcProviders(
  identity: IdentityConfig,
  embedded?: () => OidcConfig,
): ReadonlyMap<string, OidcProvider> {
  const own = [...identity.providers.values()].flatMap((each) =>
    each.protocol === 'oidc' ? [new OidcProvider(each)] : [],
  );
  if (embedded) own.push(new OidcProvider(embedded));
  return new Map(own.map((provider) => [provider.config.name, provider]));
}

/**
 * Whether people can sign in anew for one request: by an OpenID provider that tells when they did. Google tells nobody,
 * and SAML's fresh sign-in is not asked for here.
 */
export const canStepUp = ({ providers }: IdentityConfig): boolean =>
  [...providers.values()].some(
    (each) => each.protocol === 'embedded' || (each.protocol === 'oidc' && each.issuer !== GOOGLE),
  );
