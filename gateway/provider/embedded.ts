import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Config } from '#src/config/config.ts';
import type { EmbeddedConfig, OidcConfig } from '#src/config/identity.ts';
import { isLoopback } from '#src/config/units.ts';
import type { Answer } from './answer.ts';
import { foreign } from './own.ts';
import { clickable, domainOf, takenDomains } from './people.ts';
import type { State } from './state.ts';

const CLIENT = 'countersign';
const PATH = '/embedded';

/** The embedded provider: anybody who reaches it can be anybody of the configuration. For the demo and for tests. */
export type Embedded = {
  /** As any other OpenID provider: the gateway has no other way in. */
  readonly oidc: OidcConfig;
  /** Its addresses below the console's. */
  readonly register: (app: FastifyInstance) => void;
  /** Keeps what was begun for the next start. */
  close(): Promise<void>;
};

export type EmbeddedOptions = {
  readonly config: Config;
  /** The people of the configuration as it is now. */
  readonly people: () => Config['people'];
  readonly onError: (error: unknown) => void;
};

/**
 * The embedded provider of this configuration; undefined when there is none. Nothing is loaded before somebody signs in.
 * Throws when it would stand where it must not: in production, or beyond this machine.
 */
export function openEmbedded({ config, people, onError }: EmbeddedOptions): Embedded | undefined {
  const own = [...config.identity.providers.values()].find(
    (each): each is EmbeddedConfig => each.protocol === 'embedded',
  );
  if (!own) return undefined;
  demandThisMachine(own, config);
  const issuer = new URL(PATH, config.publicUrl);
  const secret = randomBytes(32).toString('base64url');
  const ca = config.tls?.console ? config.tls.cert : undefined;
  const taken = takenDomains(config.identity);
  const offered = () => clickable(people(), taken);
  let state: Promise<State> | undefined;
  let answer: Promise<Answer> | undefined;
  const start = async (): Promise<Answer> => {
    const [{ makeProvider }, { openState }, { providerFetch }] = await Promise.all([
      import('./answer.ts'),
      import('./state.ts'),
      import('#src/identity/oidc/http.ts'),
    ]);
    state ??= openState(join(config.dataDir, 'embedded-provider.json'), onError);
    const parts = {
      path: PATH,
      console: config.publicUrl,
      client: clientOf(own, config.publicUrl, secret),
      people: offered,
      state: await state,
      fetch: await providerFetch(ca),
    };
    return makeProvider(issuer, parts, onError);
  };
  return {
    get oidc() {
      return { ...asOidc(own, issuer, secret, ca), domains: domainsOf(offered().keys()) };
    },
    register: (app) =>
      mount(app, issuer, async (request, response) => {
        answer ??= start();
        // What failed (a file that cannot be read) is tried again at the next request.
        answer.catch(() => ([answer, state] = [undefined, undefined]));
        await (
          await answer
        )(request, response);
      }),
    close: async () => (await state?.catch(() => undefined))?.close(),
  };
}

/** The configuration has been checked for the same; this does not rest on it. */
function demandThisMachine({ name }: EmbeddedConfig, config: Config): void {
  const refuse = (why: string): never => {
    throw new Error(
      `identity.providers.${name} is the embedded provider, which lets anybody be anybody: ${why}`,
    );
  };
  if (config.identity.production) refuse('identity.production forbids it; take it out');
  for (const [key, { host }] of Object.entries(config.listen))
    if (!isLoopback(host)) refuse(`nothing may listen beyond this machine, but listen.${key} does`);
  const { hostname } = new URL(config.publicUrl);
  if (!isLoopback(hostname.replaceAll(/^\[|\]$/g, ''))) refuse('publicUrl must be of this machine');
  for (const other of config.identity.providers.values())
    if (other.protocol !== 'embedded' && !other.domains)
      refuse(`say under identity.providers.${other.name}.domains for whom that one speaks`);
}

function clientOf({ name }: EmbeddedConfig, publicUrl: string, secret: string) {
  return {
    id: CLIENT,
    secret,
    redirectUri: `${publicUrl}/sign-in/${name}/callback`,
    postLogoutRedirectUris: [`${publicUrl}/sign-in`, `${publicUrl}/`, publicUrl],
    backchannelLogoutUri: `${publicUrl}/sign-in/${name}/logout`,
  };
}

function asOidc(
  { name, label }: EmbeddedConfig,
  issuer: URL,
  secret: string,
  ca: string | undefined,
): OidcConfig {
  return {
    name,
    label,
    protocol: 'oidc',
    issuer: issuer.href,
    clientId: CLIENT,
    clientSecret: () => Promise.resolve(secret),
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    verifiedEmail: 'required',
    claims: { email: 'email', name: 'name', groups: 'groups' },
    clockSkewMs: 5_000,
    ...(ca !== undefined && { ca }),
  };
}

const domainsOf = (emails: Iterable<string>): readonly string[] => [
  ...new Set([...emails].map(domainOf)),
];

/** The provider reads and writes the connection itself, with our headers on top. */
function mount(app: FastifyInstance, issuer: URL, answer: Answer): void {
  app.register((below, _options, done) => {
    below.removeAllContentTypeParsers();
    below.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    below.all(`${PATH}/*`, async (request, reply) => {
      const problem = foreign(request.raw, issuer);
      if (problem !== undefined)
        return reply.code(403).type('text/plain; charset=utf-8').send(problem);
      const { raw } = request;
      const url = raw.url ?? '';
      // By both, oidc-provider knows the path that it is mounted at.
      Object.assign(raw, { originalUrl: url, url: url.slice(PATH.length) });
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value);
      await answer(raw, reply.raw).catch((error: unknown) => {
        request.log.error({ err: error }, 'the embedded provider failed');
        if (!reply.raw.headersSent) reply.raw.writeHead(500);
        reply.raw.end();
      });
    });
    done();
  });
}
