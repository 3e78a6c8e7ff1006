import type {
  ConfigurationBotFrameworkAuthenticationOptions,
  ConfigurationServiceClientCredentialFactory,
} from 'botbuilder';
import type { TeamsConfig } from '#src/config/config.ts';

const LOGIN = 'https://login.microsoftonline.com/botframework.com';
const SCOPE = 'https://api.botframework.com';
const TOKEN_MS = 10_000;

/** Whoever called is not Teams. */
export class Unauthorized extends Error {
  override name = 'Unauthorized';
}

/** What of the Bot Framework SDK is used: who calls us, and who we are when we call. */
export type Framework = {
  /** Rejects with `Unauthorized` unless the call is from Teams, for this bot, and from that service. */
  verify(activity: unknown, authorization: string): Promise<void>;
  /** The Authorization header for what we send; undefined in a local test. */
  authorization(): Promise<string | undefined>;
};

type Credentials = Pick<
  ConfigurationServiceClientCredentialFactory,
  'isValidAppId' | 'isAuthenticationDisabled' | 'createCredentials'
>;

/** For tests: other keys than Microsoft's, and tokens of one's own. */
export type Elsewhere = {
  readonly settings: ConfigurationBotFrameworkAuthenticationOptions;
  readonly credentials: Credentials;
};

/** Loads botbuilder: half a second and 50 MB that nobody pays who has no Teams. */
export async function openFramework(
  config: TeamsConfig,
  elsewhere?: Elsewhere,
): Promise<Framework> {
  const { ConfigurationBotFrameworkAuthentication, ConfigurationServiceClientCredentialFactory } =
    await import('botbuilder');
  const credentials =
    elsewhere?.credentials ?? new ConfigurationServiceClientCredentialFactory(settingsOf(config));
  const authentication = new ConfigurationBotFrameworkAuthentication(
    elsewhere?.settings ?? {},
    credentials,
    { requiredEndorsements: ['msteams'] },
  );
  const appId = 'appId' in config ? config.appId : undefined;
  return {
    async verify(activity, authorization) {
      try {
        await authentication.authenticateRequest(
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- read by the SDK as what it may not be
          activity as Parameters<typeof authentication.authenticateRequest>[0],
          authorization,
        );
      } catch (error) {
        if (isUnauthorized(error)) throw new Unauthorized(error.message, { cause: error });
        throw error;
      }
    },
    async authorization() {
      if (appId === undefined) return undefined;
      const signer = await credentials.createCredentials(appId, SCOPE, LOGIN, true);
      const request = { headers: new Headers() };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a request it sets the header alone
      const asked = request as unknown as Parameters<typeof signer.signRequest>[0];
      await inTime(signer.signRequest(asked));
      return request.headers.get('authorization') ?? undefined;
    },
  };
}

function settingsOf(config: TeamsConfig): Record<string, string> {
  // Without an id botbuilder checks nothing.
  if (!('appId' in config)) return { MicrosoftAppId: '', MicrosoftAppPassword: '' };
  return {
    MicrosoftAppId: config.appId,
    MicrosoftAppPassword: config.appPassword,
    MicrosoftAppType: config.appType,
    MicrosoftAppTenantId: config.tenants[0] ?? '',
  };
}

/** The SDK throws its own error, or one of jsonwebtoken's; whatever else went wrong is ours, as keys that do not come. */
function isUnauthorized(error: unknown): error is Error {
  return (
    error instanceof Error &&
    (('statusCode' in error && error.statusCode === 401) ||
      ['JsonWebTokenError', 'TokenExpiredError', 'NotBeforeError'].includes(error.name))
  );
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error('Microsoft gave no token for the bot in 10 s')),
    TOKEN_MS,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
