import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { Config } from '#src/config/config.ts';
import { readConfig } from '#src/config/read.ts';
import { beginFlow } from '#src/identity/oidc/flow.ts';
import { oidcProviders } from '#src/identity/oidc/oidc.ts';
import { authorizationUrl, finishSignIn } from '#src/identity/oidc/sign-in.ts';
import { type Authority, makeAuthority } from '../fakes/certificates.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { type Idp, type IdpPerson, startIdp } from '../fakes/idp.ts';
import { textOf } from '../fakes/idp/browser.ts';
import { leadTo } from '../fakes/idp/lead.ts';
import { registration, signInBy } from '../fakes/sign-in.ts';

// Each guide's own YAML, unchanged, against a provider of that shape under its real name.
const GUIDES = ['okta', 'entra', 'google', 'keycloak'] as const;
const docs = new URL('../../docs/identity/', import.meta.url);

type Tree = { [key: string]: Tree };
type Guide = { readonly blocks: readonly Tree[] };

async function guide(name: string): Promise<Guide> {
  const text = await readFile(new URL(`${name}.md`, docs), 'utf8');
  const blocks = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(
    ([, yaml = '']) => parse(yaml) as Tree,
  );
  assert.ok(blocks.length > 0, name);
  return { blocks };
}

/** Later keys win, as when somebody changes what a later block of a guide names. */
function merged(...trees: readonly Tree[]): Tree {
  const result: Tree = {};
  for (const tree of trees)
    for (const [key, value] of Object.entries(tree)) {
      const old = result[key];
      const both = isTree(old) && isTree(value);
      // The groups of a second block are in place of the first one's.
      result[key] = both && key !== 'groups' ? merged(old, value) : value;
    }
  return result;
}
const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const BASE = `
name: acme
listen: { console: 127.0.0.1:8080, postgres: 127.0.0.1:6432 }
publicUrl: https://countersign.example.com
store: { postgres: embedded }
policies: ./policies
targets:
  shop:
    protocol: postgres
    environment: production
    timeZone: UTC
    url: postgres://gateway@127.0.0.1:5433/shop
    password: \${file:./secrets/okta}
    analyser: { user: analyser, password: '\${file:./secrets/okta}' }
    tls: { mode: disable }
people: {}
groups: [engineering, dba]
`;

/** The configuration that a reader of these guides would have. */
async function configOf(dir: string, ...blocks: readonly Tree[]): Promise<Config> {
  await mkdir(join(dir, 'secrets'), { recursive: true });
  await mkdir(join(dir, 'policies'), { recursive: true });
  for (const name of [...GUIDES, 'acme'])
    await writeFile(join(dir, 'secrets', name), `secret-of-${name}\n`, { mode: 0o600 });
  const file = join(dir, 'countersign.yaml');
  await writeFile(file, stringify(merged(parse(BASE) as Tree, ...blocks)));
  return readConfig(file, {});
}

const ENGINEERING = '8f4a7c1e-2d0b-4c55-9b1a-6a1f0c3d5e77';
const DBA = '1c9d2b7a-4e3f-4a60-8c2d-9e5b7f1a0d33';
const of = (name: string, more: Partial<IdpPerson> = {}): IdpPerson => ({
  email: `${name}@example.com`,
  name: `Jane ${name}`,
  ...more,
});

/** Whom each provider knows, with groups as the product names them; some of no interest here. */
const PEOPLE: Readonly<Record<(typeof GUIDES)[number], readonly IdpPerson[]>> = {
  okta: [
    of('okta', { groups: ['Everyone', 'countersign-engineering', 'countersign-dba'] }),
    of('okta-nobody'),
    of('okta-unverified', { emailVerified: false }),
  ],
  entra: [
    of('entra', { groups: [ENGINEERING, DBA, '00000000-0000-4000-8000-000000000000'] }),
    of('entra-many', { overage: true }),
    of('entra-roles', { groups: [DBA], roles: ['Countersign.Dba', 'Another.App'] }),
    { email: 'guest@partner.com', name: 'Guest', groups: [DBA] },
  ],
  google: [
    of('jane'),
    of('google-nobody'),
    of('private', { workspace: false }),
    { email: 'jane@gmail.com', name: 'Jane at home' },
  ],
  keycloak: [
    of('keycloak', { groups: ['/countersign/engineering', '/countersign/dba', '/other/dba'] }),
    of('keycloak-roles', { roles: ['countersign-dba'] }),
  ],
};

/** The fake of one product, as the configuration expects it. */
async function start(
  name: (typeof GUIDES)[number],
  { identity }: Config,
  authority: Authority,
): Promise<Idp> {
  const provider = identity.providers.get(name);
  assert.ok(provider?.protocol === 'oidc');
  const { issuer, clientId } = provider;
  const san = `DNS:${new URL(issuer).hostname}`;
  return startIdp({
    shape: name,
    people: PEOPLE[name],
    issuer,
    clientId,
    clientSecret: `secret-of-${name}`,
    redirectUris: ['https://countersign.example.com/callback'],
    certificate: await authority.issue({ cn: name, san }),
  });
}

suite('each guide, against a provider of that shape', () => {
  let dir: string;
  let undo: (() => void) | undefined;
  let gateway: TestGateway;
  const idps = new Map<string, Idp>();
  const idp = (name: string): Idp => {
    const found = idps.get(name);
    assert.ok(found, name);
    return found;
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'countersign-guides-'));
    const guides = await Promise.all(GUIDES.map((name) => guide(name)));
    const config = await configOf(dir, ...guides.map(({ blocks }) => blocks[0] ?? {}));
    const authority = await makeAuthority();
    for (const name of GUIDES) idps.set(name, await start(name, config, authority));
    undo = leadTo([...idps.values()], authority.cert);
    gateway = await startGateway({
      config: { identity: { ...config.identity, recheckMs: 1_000 }, people: config.people },
    });
    for (const [name, each] of idps) each.register(registration(gateway.config.publicUrl, name));
  });
  after(async () => {
    await gateway?.stop();
    undo?.();
    for (const each of idps.values()) await each.close();
    await rm(dir, { recursive: true, force: true });
  });

  const enter = async (name: string, email: string) =>
    signInBy(gateway.config.publicUrl, { idp: idp(name), name, email });
  const known = async (email: string) => {
    const { rows } = await gateway.storeSql.query(
      'select name, groups, state from countersign.person where email = $1',
      [email],
    );
    return rows[0];
  };
  const groupsOf = async (email: string) => (await known(email))?.groups;

  for (const name of ['okta', 'entra', 'keycloak'] as const)
    test(`${name}: groups have the rules' names, change with the provider, and end with the account`, async () => {
      const email = `${name}@example.com`;
      const page = await enter(name, email);
      assert.equal(page.status, 200, textOf(page));
      assert.match(page.html, new RegExp(`Jane ${name}`));
      assert.deepEqual(await groupsOf(email), ['dba', 'engineering']);
      const [first, second] = PEOPLE[name][0]?.groups?.filter((each) => each !== 'Everyone') ?? [];
      idp(name).change(email, { groups: [first ?? second ?? ''] });
      await eventually('the change', async () => (await groupsOf(email))?.join() === 'engineering');
      idp(name).disable(email);
      await eventually('the end', async () => (await known(email))?.state === 'gone');
      const then = await page.browser.go(gateway.config.publicUrl, gateway.config.publicUrl);
      assert.match(then.url, /\/sign-in/);
    });

  test('okta: no group is no group; an address that was not verified is nobody', async () => {
    assert.equal((await enter('okta', 'okta-nobody@example.com')).status, 200);
    assert.deepEqual(await groupsOf('okta-nobody@example.com'), []);
    const refused = await enter('okta', 'okta-unverified@example.com');
    assert.equal(refused.status, 403);
    assert.match(textOf(refused), /not verified/);
  });

  test('entra: too many groups are refused, not forgotten; guests stay out', async () => {
    const many = await enter('entra', 'entra-many@example.com');
    assert.equal(many.status, 403);
    assert.match(textOf(many), /too many groups/);
    const guest = await enter('entra', 'guest@partner.com');
    assert.equal(guest.status, 403);
    assert.match(textOf(guest), /partner\.com/);
  });

  test('google: groups come from people; an account of the same name elsewhere is nobody', async () => {
    const page = await enter('google', 'jane@example.com');
    assert.equal(page.status, 200, textOf(page));
    assert.deepEqual(await groupsOf('jane@example.com'), []);
    const { groups } = gateway.config.people.get('jane@example.com') ?? {};
    assert.deepEqual(groups, ['engineering', 'dba']);
    assert.equal((await enter('google', 'jane@gmail.com')).status, 403);
    assert.equal((await enter('google', 'google-nobody@example.com')).status, 200);
  });

  test('google: a private account of a company address is nobody', async () => {
    const refused = await enter('google', 'private@example.com');
    assert.equal(refused.status, 403);
    assert.match(textOf(refused), /Google Workspace/);
  });

  test('google: who is suspended is asked about by the refresh token that access_type gave', async () => {
    const email = 'google-nobody@example.com';
    idp('google').disable(email);
    await eventually('the end', async () => (await known(email))?.state === 'gone');
  });

  test('keycloak: back-channel logout ends at once', async () => {
    const email = 'keycloak-roles@example.com';
    const page = await enter('keycloak', email);
    assert.equal(page.status, 200, textOf(page));
    assert.equal(await idp('keycloak').logout(email), 1);
    const then = await page.browser.go(gateway.config.publicUrl, gateway.config.publicUrl);
    assert.match(then.url, /\/sign-in/);
  });
});

for (const [name, email] of [
  ['entra', 'entra-roles@example.com'],
  ['keycloak', 'keycloak-roles@example.com'],
] as const)
  test(`${name}: with the guide's second block, roles are groups`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'countersign-guides-'));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const { blocks } = await guide(name);
    assert.equal(blocks.length, 2);
    const config = await configOf(dir, ...blocks);
    const authority = await makeAuthority();
    const idp = await start(name, config, authority);
    t.after(() => idp.close());
    t.after(leadTo([idp], authority.cert));
    const provider = oidcProviders(config.identity).get(name);
    assert.ok(provider);
    const flow = { provider: name, next: '/', startedAt: Date.now() };
    const secrets = beginFlow(randomBytes(32), 'cookie', flow);
    const redirectUri = 'https://countersign.example.com/callback';
    const url = await authorizationUrl(provider, { redirectUri, secrets, fresh: false });
    const said = await finishSignIn(provider, new URL(await idp.signIn(url.href, email)), secrets);
    assert.deepEqual([said.email, said.groups], [email, ['dba']]);
  });

test('the configurations of the overview read', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-guides-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const { blocks: all } = await guide('../identity');
  // Others are about chat.
  const blocks = all.filter((block) => Object.hasOwn(block, 'identity'));
  const here = parse('publicUrl: http://127.0.0.1:8080') as Tree;
  const read = await Promise.all(
    blocks.map(async (block, index) => {
      const { identity } = await configOf(join(dir, String(index)), here, block);
      return [...identity.providers.values()].map(({ protocol }) => protocol);
    }),
  );
  assert.deepEqual(read, [['oidc'], ['embedded']]);
});
