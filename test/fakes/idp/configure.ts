import { type Adapter, type Context, type Grant, interactionPolicy } from 'oidc-provider';
import type { Store } from '#gateway/provider/store.ts';
import type { SigningKey } from './keys.ts';
import { page } from './pages.ts';
import type { Product } from './shapes.ts';

export type Registration = {
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly backchannelLogoutUri?: string;
};

type Clients = {
  readonly adapter: (model: string) => Adapter;
  readonly register: (more: Partial<Registration>) => void;
  readonly registration: () => Registration;
};

const GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
];

/** The store, with one client in it that can still be changed. */
export function clientsOf(store: Store, first: Registration): Clients {
  let now = first;
  const metadata = (): Record<string, unknown> => ({
    client_id: now.clientId,
    ...(now.clientSecret !== undefined && { client_secret: now.clientSecret }),
    token_endpoint_auth_method: now.clientSecret === undefined ? 'none' : 'client_secret_basic',
    grant_types:
      now.clientSecret === undefined ? GRANTS.filter((g) => g !== 'client_credentials') : GRANTS,
    response_types: ['code'],
    redirect_uris: now.redirectUris,
    post_logout_redirect_uris: now.postLogoutRedirectUris,
    require_auth_time: true,
    ...(now.backchannelLogoutUri !== undefined && {
      backchannel_logout_uri: now.backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
  });
  return {
    adapter: (model) =>
      model === 'Client'
        ? {
            ...store.adapter(model),
            find: (id) => Promise.resolve(id === now.clientId ? metadata() : undefined),
          }
        : store.adapter(model),
    register: (more) => {
      now = {
        ...now,
        ...more,
        redirectUris: [...now.redirectUris, ...(more.redirectUris ?? [])],
        postLogoutRedirectUris: [
          ...now.postLogoutRedirectUris,
          ...(more.postLogoutRedirectUris ?? []),
        ],
      };
    },
    registration: () => now,
  };
}

export function configure({
  product,
  base,
  keys,
  clients,
  tokenSeconds,
  mayEnter,
}: {
  readonly product: Product;
  /** Path of the issuer. */
  readonly base: string;
  readonly keys: readonly SigningKey[];
  readonly clients: Clients;
  readonly tokenSeconds: number;
  readonly mayEnter: (subject: string) => boolean;
}): object {
  const refreshing = new Set<unknown>();
  return {
    adapter: clients.adapter,
    jwks: { keys },
    scopes: product.scopes,
    claims: { openid: ['sub', 'sid'] },
    conformIdTokenClaims: false,
    extraParams: ['access_type', 'hd', 'offline'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    pkce: { required: () => false },
    cookies: { keys: ['fake'] },
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    interactions: {
      policy: interactionPolicy.base(),
      url: (_ctx: Context, { uid }: { uid: string }) => `${base}/interaction/${uid}`,
    },
    ttl: {
      AccessToken: tokenSeconds,
      IdToken: tokenSeconds,
      ClientCredentials: tokenSeconds,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Interaction: 600,
      Session: 86_400,
      Grant: 86_400,
      RefreshToken: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        userCodeInputSource: (ctx: Context, form: string) =>
          void (ctx.body = page(
            'Device',
            `${form}<button type="submit" form="op.deviceInputForm">Continue</button>`,
          )),
        userCodeConfirmSource: (
          ctx: Context,
          form: string,
          _client: unknown,
          _info: unknown,
          code: string,
        ) =>
          void (ctx.body = page(
            `Confirm ${code}`,
            `${form}<button type="submit" form="op.deviceConfirmForm" name="confirm" value="yes">Continue</button>`,
          )),
        successSource: (ctx: Context) => void (ctx.body = page('Device signed in', '')),
      },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: product.backchannel },
      rpInitiatedLogout: {
        enabled: product.endSession,
        logoutSource: (ctx: Context, form: string) =>
          void (ctx.body = page(
            'Sign out',
            `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`,
          )),
        postLogoutSuccessSource: (ctx: Context) => void (ctx.body = page('Signed out', '')),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx: Context, audience: string) => ({
          scope: 'access',
          audience,
          accessTokenTTL: tokenSeconds,
          accessTokenFormat: 'jwt',
        }),
      },
    },
    issueRefreshToken: (_ctx: Context, _client: unknown, code: { grantId?: string }) =>
      product.refresh === 'always' || refreshing.has(code.grantId),
    loadExistingGrant: async (ctx: Context): Promise<Grant> => {
      const grant = new ctx.oidc.provider.Grant({
        accountId: ctx.oidc.session.accountId ?? '',
        clientId: ctx.oidc.client.clientId,
      });
      for (const scope of product.scopes) grant.addOIDCScope(scope);
      for (const resource of Object.keys(ctx.oidc.resourceServers))
        grant.addResourceScope(resource, 'access');
      const id = await grant.save();
      if (wantsRefresh(product, ctx)) refreshing.add(id);
      return grant;
    },
    findAccount: (_ctx: Context, id: string) =>
      mayEnter(id) ? { accountId: id, claims: () => ({ sub: id }) } : undefined,
  };
}

function wantsRefresh(product: Product, ctx: Context): boolean {
  if (product.refresh === 'access_type') return ctx.oidc.params['access_type'] === 'offline';
  const { scope, offline } = ctx.oidc.params;
  return offline === 'yes' || scope?.split(' ').includes('offline_access') === true;
}
