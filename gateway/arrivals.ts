import { openBearers, type Bearers } from '#src/identity/bearer.ts';
import { openBearerLogin } from '#src/identity/bearer-login.ts';
import { openConfirmations, type Confirmations } from '#src/identity/confirmations.ts';
import type { OidcProvider } from '#src/identity/oidc/provider.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Core } from './core.ts';
import type { Asked } from './postgres/authenticate.ts';
import type { Cancels } from './postgres/cancel.ts';
import { Door } from './postgres/door.ts';
import type { Arrived, Client } from './postgres/listener.ts';

/** What PostgreSQL clients show beside passwords, and what their people then confirm in the console. */
export type Arrivals = {
  readonly bearers: Bearers;
  readonly confirmations: Confirmations;
  /** For the listener. */
  readonly asked: Asked & { readonly serve: (client: Arrived) => Promise<void> };
};

type Parts = {
  readonly tokens: Tokens;
  /** By their names in the configuration. */
  readonly providers: ReadonlyMap<string, OidcProvider>;
  readonly cancels: Cancels;
  readonly serve: (client: Client) => Promise<void>;
};

export function openArrivals(
  core: Core,
  { tokens, providers, cancels, serve }: Parts,
  opened: AsyncDisposableStack,
): Arrivals {
  const { config, directory, onError } = core;
  const { identity, publicUrl } = config;
  const bearers = openBearers(identity, ({ name }) => providers.get(name)?.keys);
  const confirmations = openConfirmations(core);
  const door = new Door({
    confirm: identity.confirm,
    confirmations,
    directory,
    tokens,
    cancels,
    lifetimeMs: identity.tokens.lifetimeMs,
    publicUrl,
    serve,
    onError,
  });
  opened.defer(() => door.stop());
  // Where people can sign in by nothing but tokens, a client without one could not get any.
  const signIn = identity.providers.size > 0 || identity.machines.size > 0;
  const configuration = `${publicUrl}/.well-known/openid-configuration`;
  const login = openBearerLogin({ ...core, tokens, bearers });
  return {
    bearers,
    confirmations,
    asked: {
      tokens,
      directory,
      ...(signIn && { bearer: { login, configuration } }),
      unknownPassword: identity.confirm === 'unknown-password',
      serve: (client) => door.enter(client),
    },
  };
}
