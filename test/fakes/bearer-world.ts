import net from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { serialize } from 'pg-protocol';
import { NO_PROVIDERS, type IdentityConfig } from '#src/config/identity.ts';
import { makeAuthority, writePem, type Authority } from './certificates.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts';
import { JwtIssuer } from './jwt-issuer.ts';
import { RawClient } from './raw-client.ts';

export const API = 'api://countersign';
export const MACHINES = 'https://countersign.example.com';
export const MACHINE = 'deploy@machines.example.com';

/** A gateway with TLS, a provider `acme` with the agent `assistant`, and a platform whose jobs are machines. */
export type BearerWorld = {
  readonly gateway: TestGateway;
  readonly acme: JwtIssuer;
  readonly platform: JwtIssuer;
  readonly authority: Authority;
  /** PEM file of the authority. */
  readonly ca: string;
  /** An access token of `acme` for what this person is there. */
  readonly access: (who: string, more?: object) => Promise<string>;
  /** The agent's own. */
  readonly actor: (more?: object) => Promise<string>;
  /** Of a job of the machine. */
  readonly job: (more?: object) => Promise<string>;
  /** The reply of `/oauth/token`. */
  grant(type: string, form: Record<string, string>): Promise<{ status: number; body: any }>;
  stop(): Promise<void>;
};

export async function startBearerWorld(
  more: Partial<IdentityConfig> = {},
  {
    certificateLogin = false,
    ...options
  }: TestGatewayOptions & { readonly certificateLogin?: boolean } = {},
): Promise<BearerWorld> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-bearer-'));
  const [acme, platform, authority] = await Promise.all([
    JwtIssuer.start(),
    JwtIssuer.start(),
    makeAuthority(),
  ]);
  const pem = { ca: authority.cert, ...(await authority.issue({ cn: 'localhost' })) };
  const { ca, key, cert } = await writePem(dir, pem);
  const identity: IdentityConfig = {
    ...NO_PROVIDERS,
    providers: new Map([['acme', provider(acme.url)]]),
    machines: new Map([[MACHINE, machine(platform.url)]]),
    agents: new Map([['assistant', agent]]),
    ...more,
  };
  const gateway = await startGateway({
    ...options,
    config: { tls: { key, cert, certificateLogin }, identity },
  });
  // As after their first sign-in at the console.
  for (const who of ['engineer', 'approver', 'security'])
    await gateway.storeSql.query(
      `insert into countersign.person (email, provider, subject, name, valid_until)
       values ($1, 'acme', $2, $3, clock_timestamp() + interval '1 day')`,
      [`${who}@example.com`, `sub-${who}`, who],
    );
  return {
    gateway,
    acme,
    platform,
    authority,
    ca,
    access: (who, claims = {}) =>
      acme.sign({ sub: `sub-${who}`, aud: API, scope: 'openid', azp: 'cli', ...claims }),
    actor: (claims = {}) =>
      acme.sign({ sub: 'assistant', aud: API, scope: 'act', azp: 'assistant', ...claims }),
    job: (claims = {}) =>
      platform.sign({
        sub: 'repo:acme/shop:ref:refs/heads/main',
        aud: MACHINES,
        repository: 'acme/shop',
        ref: 'refs/heads/main',
        jti: crypto.randomUUID(),
        ...claims,
      }),
    async grant(type, form) {
      const reply = await fetch(`${gateway.running.console}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: type, ...form }),
      });
      return { status: reply.status, body: await reply.json() };
    },
    async stop() {
      await gateway.stop();
      await Promise.all([acme.stop(), platform.stop(), rm(dir, { recursive: true })]);
    },
  };
}

const agent = {
  id: 'assistant',
  name: 'Assistant',
  groups: ['engineering', 'dba', 'security'],
  provider: 'acme',
  clientId: 'assistant',
};

const provider = (issuer: string) =>
  ({
    name: 'acme',
    label: 'Acme',
    protocol: 'oidc',
    issuer,
    clientId: 'countersign',
    scopes: ['openid'],
    audience: API,
    claims: { email: 'email', name: 'name', groups: 'groups' },
    verifiedEmail: 'required',
    clockSkewMs: 30_000,
  }) as const;

const machine = (issuer: string) => ({
  name: 'Deploy job',
  groups: ['engineering', 'dba', 'oncall', 'security'],
  issuer,
  audience: MACHINES,
  claims: new Map([
    ['repository', ['acme/shop']],
    ['ref', ['refs/heads/main', 'refs/heads/next']],
  ]),
});

type Coming = {
  readonly user: string;
  /** Empty asks where to get a token. Undefined: whatever is offered is left unanswered. */
  readonly bearer?: string;
  readonly clear?: boolean;
  readonly mechanism?: string;
  /** The whole initial response, in place of the usual one. */
  readonly initial?: string;
  /** More for the startup packet. */
  readonly startup?: Readonly<Record<string, string>>;
};

export type Came = RawClient & {
  /** Mechanisms, and the server's challenge. */
  readonly offered: readonly string[];
  readonly challenge: string | undefined;
};

/** Connects over direct TLS (or in the clear) and speaks OAUTHBEARER; resolves when the session is ready or was refused. */
export async function come(world: BearerWorld, coming: Coming): Promise<Came> {
  const { port } = world.gateway.running.postgres;
  const socket = coming.clear
    ? net.connect(port, '127.0.0.1')
    : tls.connect({
        port,
        host: '127.0.0.1',
        ca: world.authority.cert,
        servername: 'localhost',
        ALPNProtocols: ['postgresql'],
      });
  await once(socket, coming.clear ? 'connect' : 'secureConnect');
  let offered: readonly string[] = [];
  let challenge: string | undefined;
  const client = RawClient.over(socket, (heard) => {
    if (heard.name === 'authenticationSASL') {
      offered = heard['mechanisms'];
      const { bearer, initial = `n,,\x01auth=${bearer ? `Bearer ${bearer}` : ''}\x01\x01` } =
        coming;
      const mechanism = coming.mechanism ?? 'OAUTHBEARER';
      client.send(serialize.sendSASLInitialResponseMessage(mechanism, initial));
    } else if (heard.name === 'authenticationSASLContinue') {
      challenge = heard['data'];
      client.send(serialize.sendSCRAMClientFinalMessage('\x01'));
    }
  });
  client.send(serialize.startup({ user: coming.user, database: 'shop', ...coming.startup }));
  client.greeting = await client.until('readyForQuery', 'error', 'closed');
  return Object.assign(client, { offered, challenge });
}
