import { type Context, type Grant, interactionPolicy, type Provider } from 'oidc-provider';
import type { Person } from '#src/identity/person.ts';
import { document, goOnPage, problemPage, signedOutPage, signOutPage } from './pages.ts';
import type { State } from './state.ts';

export const SCOPES = ['openid', 'profile', 'email', 'groups', 'offline_access'];
export const SESSION_COOKIE = 'countersign_embedded';
const MINUTE = 60;
const DAY = 86_400;

export type Client = {
  readonly id: string;
  readonly secret: string;
  readonly redirectUri: string;
  readonly postLogoutRedirectUris: readonly string[];
  readonly backchannelLogoutUri: string;
};

export type ProviderParts = {
  /** Path of the issuer. */
  readonly path: string;
  readonly console: string;
  readonly client: Client;
  readonly state: State;
  readonly people: () => ReadonlyMap<string, Person>;
  /** Reaches our own console, for back-channel logout. */
  readonly fetch: typeof globalThis.fetch;
};

/** oidc-provider's settings: one client, which is the gateway; code with PKCE, refresh, logout, and nothing else. */
export function configure(parts: ProviderParts): object {
  const { client, state, path } = parts;
  return {
    adapter: state.store.adapter,
    jwks: { keys: state.keys },
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [client.redirectUri],
        post_logout_redirect_uris: client.postLogoutRedirectUris,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        require_auth_time: true,
        backchannel_logout_uri: client.backchannelLogoutUri,
        backchannel_logout_session_required: true,
      },
    ],
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic'],
    scopes: SCOPES,
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name'],
      groups: ['groups'],
    },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: {
      keys: state.cookieKeys,
      names: {
        session: SESSION_COOKIE,
        interaction: 'countersign_embedded_choice',
        resume: 'countersign_embedded_resume',
      },
      long: { httpOnly: true, sameSite: 'lax', path },
      short: { httpOnly: true, sameSite: 'lax', path },
    },
    fetch: parts.fetch,
    interactions: {
      policy: alwaysAsk(),
      url: (_ctx: Context, { uid }: { uid: string }) => `${path}/who/${uid}`,
    },
    expiresWithSession: () => false,
    issueRefreshToken: () => true,
    loadExistingGrant: grantAll,
    findAccount: (_ctx: Context, id: string) => accountOf(parts.people().get(id)),
    renderError: (ctx: Context, { error_description: why }: { error_description?: string }) => {
      ctx.type = 'html';
      ctx.body = document(problemPage(why ?? 'This sign-in cannot go on.', parts.console));
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx: Context, form: string) => signOut(ctx, form, path),
        postLogoutSuccessSource: (ctx: Context) =>
          void (ctx.body = document(signedOutPage(parts.console))),
      },
    },
    ttl: {
      AccessToken: 15 * MINUTE,
      AuthorizationCode: MINUTE,
      IdToken: 15 * MINUTE,
      Interaction: 10 * MINUTE,
      Session: DAY,
      Grant: 365 * DAY,
      // The gateway asks by it for as long as somebody has a token: an end here would be the person's.
      RefreshToken: 365 * DAY,
    },
  };
}

/** Who sits there may be somebody else each time: that is what it is for. */
function alwaysAsk(): unknown {
  const { Check } = interactionPolicy;
  const policy = interactionPolicy.base();
  policy
    .get('login')
    .checks.add(
      new Check('always', 'somebody has to be picked', ({ oidc }) =>
        oidc.result?.login ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
      ),
    );
  return policy;
}

async function grantAll(ctx: Context): Promise<Grant> {
  const { session, client, provider } = ctx.oidc;
  const grant = new provider.Grant({
    accountId: session.accountId ?? '',
    clientId: client.clientId,
  });
  for (const scope of SCOPES) grant.addOIDCScope(scope);
  await grant.save();
  return grant;
}

function accountOf(person: Person | undefined): object | undefined {
  return (
    person && {
      accountId: person.email,
      claims: () => ({
        sub: person.email,
        email: person.email,
        email_verified: true,
        name: person.name,
        groups: person.groups,
      }),
    }
  );
}

/**
 * The gateway itself sends who has signed out there already, and proves it with their ID token: nothing is asked again,
 * and it need not be told. Who comes by themselves is asked, and then the gateway ends all that is theirs.
 */
async function signOut(ctx: Context, form: string, path: string): Promise<void> {
  const { session, params, entities } = ctx.oidc;
  if (!entities.IdTokenHint || params['post_logout_redirect_uri'] === undefined) {
    ctx.body = document(signOutPage(form));
    return;
  }
  const state = params['state'];
  await session.destroy();
  ctx.cookies.set(SESSION_COOKIE, null, { path });
  const back = new URL(params['post_logout_redirect_uri']);
  if (state !== undefined) back.searchParams.set('state', state);
  ctx.status = 303;
  ctx.redirect(back.href);
}

const FORM = /<form method="post" action="([^"]*)">/u;
const INPUT = /<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/gu;

/** Where the library would send a form by a script, the page has a button. */
export function withoutScripts(provider: Provider): void {
  provider.use(async (ctx, next) => {
    await next();
    if (typeof ctx.body !== 'string' || !ctx.body.includes('<script>')) return;
    const action = FORM.exec(ctx.body)?.[1] ?? '';
    const fields = [...ctx.body.matchAll(INPUT)].map(
      ([, name = '', value = '']) => [name, value] as const,
    );
    ctx.body = document(goOnPage(action, fields));
  });
}
