import { oidcProviders, type Oidc } from '#src/identity/oidc/oidc.ts';
import { startRecheck } from '#src/identity/oidc/recheck.ts';
import { openSessionSignIns } from '#src/identity/oidc/session-sign-ins.ts';
import { openOidcStore } from '#src/identity/oidc/store.ts';
import type { People } from '#src/identity/sign-in.ts';
import type { SignInStore } from '#src/identity/sign-ins.ts';
import { installationSecret } from '#src/store/secrets.ts';
import type { Core } from './core.ts';
import type { Embedded } from './provider/embedded.ts';

type Parts = {
  readonly people: People;
  readonly signIns: SignInStore;
  readonly embedded: Embedded | undefined;
};

/**
 * The OpenID providers of the configuration, with the embedded one among them, and the job that asks them again about
 * people who work. A provider that is away stops nothing but its own sign-ins.
 */
export async function openOidc(
  { config, db, log, onError }: Core,
  { people, signIns, embedded }: Parts,
  opened: AsyncDisposableStack,
): Promise<Oidc> {
  const providers = oidcProviders(config.identity, embedded && (() => embedded.oidc));
  const oidc: Oidc = {
    providers,
    store: openOidcStore(db),
    sessions: openSessionSignIns(db),
    secret: await installationSecret(db.pool, 'oidc'),
  };
  if (providers.size === 0) return oidc;
  const job = startRecheck({
    people,
    signIns,
    oidc,
    recheckMs: config.identity.recheckMs,
    onAway: (provider, err) =>
      log.warn({ provider, err }, 'cannot be asked about its people, so what it said runs out'),
    onError,
  });
  opened.defer(() => job.stop());
  return oidc;
}
