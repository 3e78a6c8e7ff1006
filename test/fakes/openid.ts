import { NO_PROVIDERS, type IdentityConfig, type OidcConfig } from '#src/config/identity.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';
import { startIdp, type Idp, type IdpOptions, type IdpPerson } from './idp.ts';
import { ScriptedBrowser, walk, type Visited } from './idp/browser.ts';

/** The approver, and others who are in no configuration. */
export const PEOPLE: readonly IdpPerson[] = [
  { email: 'approver@example.com', name: 'Approver', groups: ['dba', 'engineering'] },
  { email: 'approver2@example.com', name: 'Approver Two', groups: ['dba', 'engineering'] },
  { email: 'engineer@example.com', name: 'Engineer', groups: ['engineering'] },
  { email: 'newcomer@example.com', name: 'New Comer', groups: ['engineering'] },
];

export type OpenIdGateway = {
  readonly gateway: TestGateway;
  readonly idp: Idp;
  /** Signs in as this person, in this browser; the page where it ends. */
  signIn(email: string, browser?: ScriptedBrowser, next?: string): Promise<Visited>;
  stop(): Promise<void>;
};

export function oidcConfig(idp: Idp, more: Partial<OidcConfig> = {}): OidcConfig {
  const { clientSecret } = idp;
  return {
    name: 'acme',
    label: 'Acme',
    protocol: 'oidc',
    issuer: idp.issuer,
    clientId: idp.clientId,
    ...(clientSecret !== undefined && { clientSecret: () => Promise.resolve(clientSecret) }),
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    claims: { email: 'email', name: 'name', groups: 'groups' },
    verifiedEmail: 'required',
    clockSkewMs: 30_000,
    ...more,
  };
}

/** Tells the provider where this gateway is. */
export function register(idp: Idp, gateway: TestGateway, name = 'acme'): void {
  const at = `${gateway.running.console}/sign-in`;
  idp.register({
    redirectUris: [`${at}/${name}/callback`],
    postLogoutRedirectUris: [at],
    backchannelLogoutUri: `${at}/${name}/logout`,
  });
}

/** The whole product with one OpenID provider, `acme`. */
export async function startOpenId(
  options: {
    readonly idp?: Partial<IdpOptions>;
    readonly oidc?: Partial<OidcConfig>;
    readonly identity?: Partial<IdentityConfig>;
    readonly gateway?: TestGatewayOptions;
  } = {},
): Promise<OpenIdGateway> {
  const idp = await startIdp({ people: PEOPLE, ...options.idp });
  const identity: IdentityConfig = {
    ...NO_PROVIDERS,
    providers: new Map([['acme', oidcConfig(idp, options.oidc)]]),
    ...options.identity,
  };
  const gateway = await startGateway({
    ...options.gateway,
    config: { ...options.gateway?.config, identity },
  });
  register(idp, gateway);
  return {
    gateway,
    idp,
    async signIn(email, browser = new ScriptedBrowser(), next = '/') {
      const { console: at } = gateway.running;
      const start = `${at}/sign-in/acme?next=${encodeURIComponent(next)}`;
      const out = await browser.go(start, at);
      if (!out.left) return out;
      const back = await walk(browser, out.url, idp.origin, idp.subjectOf(email));
      return back.left ? browser.go(back.url, at) : back;
    },
    async stop() {
      await gateway.stop();
      await idp.close();
    },
  };
}
