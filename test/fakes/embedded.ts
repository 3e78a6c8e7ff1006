import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { type Embedded, openEmbedded } from '#gateway/provider/embedded.ts';
import type { Config } from '#src/config/config.ts';
import { NO_PROVIDERS, type IdentityConfig, type OidcConfig } from '#src/config/identity.ts';
import { freePort } from './postgres.ts';

export type TestEmbedded = {
  readonly embedded: Embedded;
  readonly publicUrl: string;
  readonly dataDir: string;
  /** As if the file had been changed. */
  people: Config['people'];
  /** What the provider complained of. */
  readonly errors: unknown[];
  /** Another process' worth of it on the same folder and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export const EMBEDDED: IdentityConfig = {
  ...NO_PROVIDERS,
  providers: new Map([['demo', { name: 'demo', label: 'Demo', protocol: 'embedded' }]]),
};

/** A real provider beside the embedded one. */
export const realProvider = (domains?: readonly string[]): OidcConfig => ({
  name: 'acme',
  label: 'Acme',
  protocol: 'oidc',
  issuer: 'https://id.example.com',
  clientId: 'countersign',
  scopes: ['openid'],
  verifiedEmail: 'required',
  claims: { email: 'email', name: 'name', groups: 'groups' },
  clockSkewMs: 30_000,
  ...(domains && { domains }),
});
/** Both in one configuration. */
export const beside = (provider: OidcConfig): Config['identity'] => ({
  ...EMBEDDED,
  providers: new Map([...EMBEDDED.providers, ['acme', provider]]),
});

/** Only what the provider reads. */
export function embeddedConfig(more: Partial<Config> = {}): Config {
  const host = '127.0.0.1';
  const only: Partial<Config> = {
    listen: { console: { host, port: 8080 }, postgres: { host, port: 6432 } },
    publicUrl: 'http://127.0.0.1:8080',
    dataDir: '/nowhere',
    identity: EMBEDDED,
    people: new Map([
      ['Engineer@example.com', { name: 'Engineer', groups: ['engineering'] }],
      ['approver@example.com', { name: 'Approver', groups: ['engineering', 'dba'] }],
    ]),
    ...more,
  };
  return only as Config;
}

/** The embedded provider alone, on a server that has nothing else. */
export async function startEmbedded(more: Partial<Config> = {}): Promise<TestEmbedded> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-embedded-'));
  const port = await freePort();
  const config = embeddedConfig({ publicUrl: `http://127.0.0.1:${port}`, dataDir, ...more });
  const errors: unknown[] = [];
  let { people } = config;
  const start = async () => {
    const embedded = openEmbedded({
      config,
      people: () => people,
      onError: (error) => errors.push(error),
    });
    if (!embedded) throw new Error('this configuration has no embedded provider');
    const app = fastify({ forceCloseConnections: true });
    embedded.register(app);
    await app.listen({ host: '127.0.0.1', port });
    const stop = async () => {
      await app.close();
      await embedded.close();
    };
    return { embedded, stop };
  };
  let running = await start();
  return {
    get embedded() {
      return running.embedded;
    },
    publicUrl: config.publicUrl,
    dataDir,
    get people() {
      return people;
    },
    set people(now) {
      people = now;
    },
    errors,
    async restart() {
      await running.stop();
      running = await start();
    },
    async stop() {
      await running.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
