import type { IdentityConfig } from '#src/config/identity.ts';
import { openBearers } from '#src/identity/bearer.ts';
import { openBearerLogin, ownerOf } from '#src/identity/bearer-login.ts';
import { openConfirmations, type Confirmations } from '#src/identity/confirmations.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import type { Tokens } from '#src/identity/token.ts';
import type { Core } from './core.ts';
import type { Grant } from './oauth/grant.ts';
import { JWT_BEARER, jwtBearerGrant } from './oauth/jwt-bearer.ts';
import type { Proofs } from './oauth/proofs.ts';
import { TOKEN_EXCHANGE, tokenExchangeGrant } from './oauth/token-exchange.ts';
import type { Asked } from './postgres/authenticate.ts';
import type { Cancels } from './postgres/cancel.ts';
import { Door } from './postgres/door.ts';
import type { Arrived, Client } from './postgres/listener.ts';

/** What PostgreSQL clients show beside passwords, and what their people then confirm in the console. */
export type Arrivals = {
  readonly confirmations: Confirmations;
  /** For the token endpoint, by `grant_type`. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** For the listener. */
  readonly asked: Asked & { readonly serve: (client: Arrived) => Promise<void> };
};

type Parts = {
  readonly tokens: Tokens;
  readonly oidc: Oidc;
  readonly cancels: Cancels;
  readonly serve: (client: Client) => Promise<void>;
};

export function openArrivals(
  core: Core,
  { tokens, oidc, cancels, serve }: Parts,
  opened: AsyncDisposableStack,
): Arrivals {
  const { config, directory, onError } = core;
  const { identity, publicUrl } = config;
  const bearers = openBearers(identity, ({ name }) => oidc.providers.get(name)?.keys);
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
  const proofs: Proofs = {
    ...core,
    bearers,
    tokens,
    ownerOf: (token) => ownerOf(core.db, token),
    once: (parts, until) => oidc.store.once(parts, until),
    lifetimeMs: () => core.reload.config.identity.tokens.lifetimeMs,
  };
  return {
    confirmations,
    grants: grantsOf(identity, proofs),
    asked: {
      tokens,
      directory,
      ...(signIn && { bearer: { login, configuration } }),
      unknownPassword: identity.confirm === 'unknown-password',
      serve: (client) => door.enter(client),
    },
  };
}

/** Only what somebody could use. */
function grantsOf({ machines, agents }: IdentityConfig, proofs: Proofs): Arrivals['grants'] {
  const grants = new Map<string, Grant>();
  if (machines.size > 0) grants.set(JWT_BEARER, jwtBearerGrant(proofs));
  if (agents.size > 0) grants.set(TOKEN_EXCHANGE, tokenExchangeGrant(proofs));
  return grants;
}
