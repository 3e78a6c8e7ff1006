import type { OidcConfig } from '#src/config/identity.ts';
import { OidcProvider } from '#src/identity/oidc/provider.ts';
import { failed, type Check } from './check.ts';

const LACKS: readonly {
  readonly list: 'claims_supported' | 'code_challenge_methods_supported';
  readonly one: string;
  readonly next: string;
}[] = [
  {
    list: 'claims_supported',
    one: 'auth_time',
    next: 'have it send auth_time, else nobody who signs in by it approves what a rule with @stepup holds',
  },
  {
    list: 'code_challenge_methods_supported',
    one: 'S256',
    next: 'switch PKCE with S256 on for this client at the provider',
  },
];

/** Whether an OpenID provider answers as the configuration says, and what it will not be able to do here. */
export async function checkOidc(config: OidcConfig, publicUrl: string): Promise<readonly Check[]> {
  const what = `provider ${config.name}`;
  try {
    const provider = new OidcProvider(config);
    const metadata = await provider.metadata();
    // The client's secret is looked up too.
    await provider.client();
    const at = `${publicUrl}/sign-in`;
    const ok: Check = {
      what,
      state: 'ok',
      found: `${metadata.issuer} answers; register ${at}/${config.name}/callback, ${at} and ${at}/${config.name}/logout there`,
    };
    // Neither list is compulsory: one that is not there says nothing.
    const lacks: Check[] = LACKS.filter(
      ({ list, one }) => metadata[list]?.includes(one) === false,
    ).map(({ list, one, next }) => ({
      what,
      state: 'warn',
      found: `its ${list} has no ${one}`,
      next,
    }));
    return [ok, ...lacks];
  } catch (error) {
    const next = `correct identity.providers.${config.name}: ${config.issuer}/.well-known/openid-configuration must answer`;
    return [failed(what, bottom(error), next)];
  }
}

/** What is at the bottom of it: a name that is not there, a certificate that nobody knows. */
function bottom(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? bottom(error.cause) : error;
}
