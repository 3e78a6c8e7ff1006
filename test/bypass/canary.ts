import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { stringify } from 'yaml';
import { serve, type Running } from '#gateway/main.ts';
import { openLogger } from '#src/config/logger.ts';
import { readConfig } from '#src/config/read.ts';
import { startGateway } from '../fakes/gateway.ts';
import { startIdp } from '../fakes/idp.ts';
import { freePort } from '../fakes/postgres.ts';
import { startRedis } from '../fakes/redis.ts';
import { inDatabase } from '../fakes/shop.ts';
import { startFakeSlack, TEAM } from '../fakes/slack.ts';

const SCOPES = ['chat:write', 'users:read', 'users:read.email'];

export type Mode = 'http' | 'socket';

/** A secret that nothing else contains, in no alphabet that an encoding would change. */
const canary = (place: string): string => `canary${place}${randomBytes(18).toString('hex')}`;

const plant = () => ({
  target: canary('Target'),
  analyser: canary('Analyser'),
  store: canary('Store'),
  redis: canary('Redis'),
  slackBot: canary('SlackBot'),
  slackApp: canary('SlackApp'),
  slackSigning: canary('SlackSigning'),
  scim: canary('Scim'),
  oidc: canary('Oidc'),
});
export type Planted = ReturnType<typeof plant>;

/** The product as a configuration file with references makes it, with a secret of its own in every place. */
export async function startPlanted(mode: Mode) {
  const planted = plant();
  const gateway = await startGateway();
  for (const who of ['engineer', 'approver', 'security'])
    for (const use of ['connect', 'decide'] as const) await gateway.token(who, use);
  await gateway.running.stop();
  const redis = await startRedis();
  await redis.protect(planted.redis);
  const slack = await startFakeSlack({
    scopes: SCOPES,
    token: planted.slackBot,
    appToken: planted.slackApp,
  });
  slack.users.set('UAPP', { email: 'approver@example.com' });
  const idp = await startIdp({
    people: ['approver', 'approver2'].map((who) => ({
      email: `${who}@example.com`,
      name: who,
      groups: [],
    })),
    clientSecret: planted.oidc,
    redirectUris: [`${gateway.config.publicUrl}/sign-in/acme/callback`],
  });
  const { targetSql, storeSql, config } = gateway;
  const targetPasswords = async (gatewayRole: string, analyser: string): Promise<void> => {
    await targetSql.query(`alter role gateway password '${gatewayRole}'`);
    await targetSql.query(`alter role analyser password '${analyser}'`);
  };
  await targetPasswords(planted.target, planted.analyser);
  await storeSql.query(`create role canary superuser login password '${planted.store}'`);
  const file = join(config.dataDir, 'countersign.yaml');

  const folder = join(config.dataDir, 'secrets');
  await mkdir(folder, { recursive: true });
  const secret = async (place: keyof Planted): Promise<string> => {
    await writeFile(join(folder, place), `${planted[place]}\n`, { mode: 0o600 });
    return `\${file:./secrets/${place}}`;
  };
  const at = new URL(inDatabase(gateway.store.url, 'countersign'));
  const chat =
    mode === 'socket'
      ? { appToken: await secret('slackApp') }
      : { signingSecret: await secret('slackSigning'), listen: `127.0.0.1:${await freePort()}` };
  const people = [...config.people].map(
    ([email, { name, groups }]) => [email, { name, groups: [...groups] }] as const,
  );
  const contents = {
    // The chain of the first gateway is signed with a key that this one does not have.
    name: 'canary',
    listen: {
      console: `127.0.0.1:${config.listen.console.port}`,
      postgres: `127.0.0.1:${config.listen.postgres.port}`,
    },
    store: { postgres: `postgres://canary:${await secret('store')}@${at.host}${at.pathname}` },
    queue: { backend: 'redis', url: redis.url, password: await secret('redis') },
    targets: {
      shop: {
        protocol: 'postgres',
        url: `postgres://gateway@${gateway.target.host}:${gateway.target.port}/shop`,
        // The one way in which what is looked up is kept in memory.
        password: '${command:cat secrets/target}',
        analyser: { user: 'analyser', password: await secret('analyser') },
        tls: { mode: 'disable' },
      },
    },
    people: Object.fromEntries(people),
    groups: [...config.groups],
    identity: {
      providers: {
        acme: {
          protocol: 'oidc',
          issuer: idp.issuer,
          clientId: idp.clientId,
          clientSecret: await secret('oidc'),
          scim: { token: await secret('scim') },
        },
      },
    },
    chat: {
      channels: { 'db-approvals': { slack: 'C0123456' } },
      slack: {
        mode,
        botToken: await secret('slackBot'),
        ...chat,
        appId: 'A0123456',
        teams: [TEAM],
        apiUrl: slack.url,
        matchEmail: [TEAM],
      },
    },
  };
  await secret('target');
  await writeFile(file, stringify(contents));

  const logged: string[] = [];
  const running: Running = await serve(await readConfig(file), {
    log: openLogger('trace', { write: (line: string) => void logged.push(line) }),
    takeOver: true,
  });
  /** What came out of the product, by where it came out. */
  const seen = new Map<string, string>();
  return {
    planted,
    gateway,
    redis,
    slack,
    idp,
    file,
    running,
    logged,
    seen,
    targetPasswords,
    saw(where: string, what: unknown): void {
      const options = { depth: 6, maxArrayLength: null };
      const text = typeof what === 'string' ? what : inspect(what, options);
      seen.set(where, `${seen.get(where) ?? ''}\n${text}`);
    },
    async stop(): Promise<void> {
      await running.stop();
      await Promise.allSettled([idp.close(), slack.close(), redis.stop()]);
      await gateway.stop();
    },
  };
}
