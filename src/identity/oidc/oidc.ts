import type { IdentityConfig, OidcConfig } from '../../config/identity.ts';
import { OidcProvider } from './provider.ts';
import type { SessionSignIns } from './session-sign-ins.ts';
import type { OidcStore } from './store.ts';

/** Everything of OpenID Connect that the console needs. */
export type Oidc = {
  /** By their names in the configuration. */
  readonly providers: ReadonlyMap<string, OidcProvider>;
  readonly store: OidcStore;
  readonly sessions: SessionSignIns;
  /** Seals the state of sign-ins, 32 bytes. */
  readonly secret: Buffer;
};

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
