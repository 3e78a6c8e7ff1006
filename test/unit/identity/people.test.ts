import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { NO_PROVIDERS, type IdentityConfig, type OidcConfig } from '#src/config/identity.ts';
import { openDirectory, PERSON, type OpenDirectory } from '#src/identity/directory.ts';
import { openPeople } from '#src/identity/people-store.ts';
import { peopleOf } from '#src/identity/people.ts';
import { NotWelcome, type Assertion, type People } from '#src/identity/sign-in.ts';
import { openNotices, type Notices } from '#src/store/notices.ts';
import { eventually } from '../../fakes/gateway.ts';
import { startStore, type TestStore } from '../store/store.ts';

let store: TestStore;
let audit: OpenAuditLog;
let notices: Notices;
let directory: OpenDirectory;
let people: People;

const provider = (name: string, more: Partial<OidcConfig> = {}): OidcConfig => ({
  name,
  label: name,
  protocol: 'oidc',
  issuer: `https://${name}.example.com`,
  clientId: 'countersign',
  scopes: ['openid'],
  verifiedEmail: 'required',
  claims: { email: 'email', name: 'name', groups: 'groups' },
  clockSkewMs: 0,
  ...more,
});
const identity: IdentityConfig = {
  ...NO_PROVIDERS,
  providers: new Map([
    ['acme', provider('acme', { domains: ['example.com'] })],
    ['other', provider('other', { domains: ['example.com', 'other.org'] })],
    ['known', provider('known', { scim: { token: () => Promise.resolve('t') } })],
  ]),
  machines: new Map([
    [
      'deploy@example.com',
      { name: 'Deploy', groups: ['dba'], issuer: 'https://x', audience: 'x', claims: new Map() },
    ],
  ]),
};
const config = {
  people: new Map([['Conf@Example.com', { name: 'Conf', groups: ['staff'] }]]),
  identity,
};

before(async () => {
  store = await startStore();
  const onError = assert.ifError;
  audit = await openAuditLog({ db: store.db, writer: 't', epoch: 1, held: () => true, onError });
  notices = await openNotices(store.db, [PERSON], onError);
  directory = openDirectory({ db: store.db, notices, configured: () => peopleOf(config) });
  people = openPeople({ db: store.db, audit, directory, identity });
});
after(async () => {
  await notices.close();
  await audit.close();
  await store.close();
});

const says = (email: string, more: Partial<Assertion> = {}): Assertion => ({
  provider: 'acme',
  subject: `subject of ${email.toLowerCase()}`,
  email,
  name: 'Somebody',
  groups: ['engineering'],
  ...more,
});
const refusal = async (assertion: Assertion): Promise<string> => {
  const error: unknown = await people.signedIn(assertion).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof NotWelcome, String(error));
  return error.message;
};
const recorded = async (email: string, kind = 'person') => {
  const { rows } = await store.db.pool.query<{ body: Record<string, any>; verdict: string }>(
    `select body::jsonb->'body' as body, verdict from countersign.record_body
     where person = $1 and kind = $2 order by at`,
    [email, kind],
  );
  return rows;
};

test('the first sign-in binds an address to provider and subject, and the directory knows it at once', async () => {
  assert.equal(await directory.find('ada@example.com'), undefined);
  const ada = await people.signedIn(says('Ada@Example.com'));
  assert.deepEqual(ada, {
    email: 'ada@example.com',
    name: 'Somebody',
    groups: ['engineering'],
  });
  assert.equal(await directory.find('ADA@example.com'), ada);
  assert.deepEqual(
    (await recorded('ada@example.com')).map(({ body }) => [body['action'], body['groups']]),
    [['bind', ['engineering']]],
  );
  await people.signedIn(says('ada@example.com'));
  assert.equal(
    await directory.find('ada@example.com'),
    ada,
    'the same object while it is the same',
  );
  assert.equal((await recorded('ada@example.com')).length, 1);
  const changed = await people.signedIn(says('ada@example.com', { groups: ['dba'] }));
  assert.deepEqual(changed.groups, ['dba']);
});

test('another subject, another provider or another address of the same subject is refused, and recorded', async () => {
  await people.signedIn(says('bob@example.com'));
  assert.match(
    await refusal(says('bob@example.com', { subject: 'mallory' })),
    /belongs to another account/,
  );
  assert.match(
    await refusal(says('bob@example.com', { provider: 'other' })),
    /belongs to another account/,
  );
  assert.match(
    await refusal(says('bob2@example.com', { subject: 'subject of bob@example.com' })),
    /known here as bob@example.com/,
  );
  const refused = await recorded('bob@example.com', 'sign-in');
  assert.deepEqual(
    refused.map(({ verdict, body }) => [verdict, body['provider']]),
    [
      ['deny', 'acme'],
      ['deny', 'other'],
    ],
  );
  await people.set('bob@example.com', 'released', 'operator@example.com');
  const now = await people.signedIn(says('bob@example.com', { subject: 'another Bob' }));
  assert.equal(now.email, 'bob@example.com');
  assert.match(await refusal(says('bob@example.com')), /belongs to another account/);
});

test('two subjects that come at once for one address: one gets it', async () => {
  const results = await Promise.allSettled(
    ['one', 'two', 'three', 'four'].map((subject) =>
      people.signedIn(says('race@example.com', { subject })),
    ),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('what no provider may say: foreign domains, odd addresses, machines, nobody', async () => {
  assert.match(await refusal(says('eve@other.org')), /may not speak for addresses of other\.org/);
  for (const email of ['\u212aim@example.com', 'a b@example.com', '@example.com', 'a@b@c', 'x\0@a'])
    assert.match(await refusal(says(email)), /did not give an e-mail address/, email);
  assert.match(await refusal(says('Deploy@example.com')), /a machine/);
  assert.match(await refusal(says('x@example.com', { subject: '' })), /who you are/);
  assert.match(await refusal(says('x@example.com', { provider: 'nobody' })), /no provider/);
  assert.equal(await directory.find('x@example.com'), undefined);
});

test('groups of the configuration and of the provider are a union, and a machine has only its own', async () => {
  const conf = await people.signedIn(says('conf@example.com'));
  assert.deepEqual([conf.name, conf.groups], ['Conf', ['staff', 'engineering']]);
  assert.deepEqual(await directory.find('deploy@example.com'), {
    email: 'deploy@example.com',
    name: 'Deploy',
    groups: ['dba'],
    machine: true,
  });
});

const until = async (email: string) => {
  const { rows } = await store.db.pool.query<{ minutes: number }>(
    `select round(extract(epoch from valid_until - clock_timestamp()) / 60)::int as minutes
     from countersign.person where email = $1`,
    [email],
  );
  return rows[0]?.minutes;
};
const lapse = async (email: string) => {
  await store.db.pool.query(
    `update countersign.person set valid_until = clock_timestamp() where email = $1`,
    [email],
  );
  directory.forget(email);
};

test('what a provider has said lapses: at the recheck with a refresh token, after a session without', async () => {
  await people.signedIn(says('late@example.com'));
  assert.equal(await until('late@example.com'), 12 * 60);
  await people.signedIn(says('late@example.com', { refreshToken: 'r' }));
  assert.equal(await until('late@example.com'), 15);
  await lapse('late@example.com');
  assert.equal(await directory.find('late@example.com'), undefined);
  await people.refreshed('late@example.com', { name: 'Late', groups: ['dba'] });
  assert.deepEqual(await directory.find('late@example.com'), {
    email: 'late@example.com',
    name: 'Late',
    groups: ['dba'],
  });
  await people.signedIn(says('conf@example.com'));
  await lapse('conf@example.com');
  assert.deepEqual((await directory.find('conf@example.com'))?.groups, ['staff']);
});

test('a validity that ends by the clock ends by itself', async () => {
  await people.signedIn(says('short@example.com'));
  await store.db.pool.query(
    `update countersign.person set valid_until = clock_timestamp() + interval '300 ms'
     where email = 'short@example.com'`,
  );
  directory.forget('short@example.com');
  assert.ok(await directory.find('short@example.com'));
  await eventually('the end', async () => !(await directory.find('short@example.com')));
});

test('who is gone at the provider is nobody, even when configured, until the provider vouches anew', async () => {
  await people.signedIn(says('conf@example.com'));
  await people.refreshed('Conf@example.com', undefined);
  assert.equal(await directory.find('conf@example.com'), undefined);
  assert.equal((await people.state('conf@example.com'))?.state, 'gone');
  await people.refreshed('conf@example.com', { name: 'Conf', groups: ['dba'] });
  assert.equal(await directory.find('conf@example.com'), undefined);
  assert.ok(await people.signedIn(says('conf@example.com')));
});

test('who was deactivated stays out until that is lifted', async () => {
  await people.signedIn(says('out@example.com'));
  await people.set('out@example.com', 'deactivated', 'Security@example.com');
  assert.equal(await directory.find('out@example.com'), undefined);
  assert.match(await refusal(says('out@example.com')), /was deactivated/);
  await people.refreshed('out@example.com', { name: 'Out', groups: ['dba'] });
  assert.equal(await directory.find('out@example.com'), undefined);
  await people.set('out@example.com', 'active', 'security@example.com');
  assert.ok(await people.signedIn(says('out@example.com')));
  const acts = (await recorded('out@example.com')).map(({ body }) => [body['action'], body['by']]);
  assert.deepEqual(acts, [
    ['bind', undefined],
    ['deactivate', 'security@example.com'],
    ['activate', 'security@example.com'],
  ]);
});

test('with SCIM only the announced come in, and what SCIM says of them counts', async () => {
  const token = says('scim@known.org', { provider: 'known', groups: ['from the token'] });
  assert.match(await refusal(token), /has not announced/);
  const announce = async (state: string) => {
    await store.db.pool.query(
      `insert into countersign.person (email, provider, name, groups, state, scim, valid_until)
       values ('scim@known.org', 'known', 'Scim', '{dba}', $1, true, 'infinity')
       on conflict (email) do update set state = excluded.state`,
      [state],
    );
    directory.forget('scim@known.org');
  };
  await announce('active');
  assert.deepEqual((await people.signedIn(token)).groups, ['dba']);
  await people.refreshed('scim@known.org', { name: 'Other', groups: ['other'] });
  assert.deepEqual((await directory.find('scim@known.org'))?.name, 'Scim');
  await announce('deactivated');
  assert.equal(await directory.find('scim@known.org'), undefined);
  assert.match(await refusal(token), /was deactivated/);
});

test('another gateway forgets a person when it is told', async () => {
  const there = openDirectory({ db: store.db, notices, configured: () => peopleOf(config) });
  await people.signedIn(says('far@example.com'));
  assert.deepEqual((await there.find('far@example.com'))?.groups, ['engineering']);
  await people.signedIn(says('far@example.com', { groups: ['dba'] }));
  await eventually('the notice', async () =>
    (await there.find('far@example.com'))?.groups.includes('dba'),
  );
});

test('other gateways hear of a change, and of who was lapsed, but not of every confirmation', async () => {
  const heard: string[] = [];
  const stop = notices.on(PERSON, (email) => void heard.push(email ?? ''));
  const of = (email: string) => heard.filter((each) => each === email).length;
  await people.signedIn(says('quiet@example.com'));
  await eventually('the first', () => of('quiet@example.com') === 1);
  await people.signedIn(says('quiet@example.com'));
  await people.refreshed('quiet@example.com', { name: 'Somebody', groups: ['engineering'] });
  await store.db.pool.query(
    `update countersign.person set valid_until = clock_timestamp() where email = 'quiet@example.com'`,
  );
  await people.refreshed('quiet@example.com', { name: 'Somebody', groups: ['engineering'] });
  await eventually('the second', () => of('quiet@example.com') === 2);
  await people.signedIn(says('last@example.com'));
  await eventually('the last', () => of('last@example.com') === 1);
  assert.equal(of('quiet@example.com'), 2);
  stop();
});
