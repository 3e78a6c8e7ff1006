import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { OidcProvider } from '#src/identity/oidc/provider.ts';
import { recheckOnce, type RecheckParts } from '#src/identity/oidc/recheck.ts';
import type { Refreshable } from '#src/identity/sign-ins.ts';
import { startIssuer, type FakeIssuer } from '../../fakes/issuer.ts';

let acme: FakeIssuer;
let other: FakeIssuer;
before(async () => {
  [acme, other] = await Promise.all([startIssuer(), startIssuer({ name: 'other' })]);
});
after(() => Promise.all([acme.stop(), other.stop()]));
beforeEach(() => {
  for (const issuer of [acme, other]) {
    issuer.down = false;
    issuer.refusesRefresh = undefined;
    issuer.idToken = (claims) => claims;
    issuer.refreshTokens.clear();
    issuer.asked.length = 0;
  }
});

const EMAIL = 'approver@example.com';

/** What the job sees of the store: at most `limit` people a look. */
function world(due: readonly Refreshable[], limit = 1_000) {
  const told: string[] = [];
  const kept: [string, string | undefined][] = [];
  const done = new Set<string>();
  const others = new Set<string>();
  const claimed = new Set<string>();
  const parts: RecheckParts = {
    recheckMs: 60_000,
    oidc: {
      providers: new Map([
        ['acme', new OidcProvider(acme.config)],
        ['other', new OidcProvider(other.config)],
      ]),
      store: {
        once: () => Promise.resolve(true),
        seen: () => Promise.resolve(false),
        forget: () => Promise.resolve(),
        whoSignedIn: () => Promise.resolve([]),
        subjectOf: () => Promise.resolve('subject-1'),
        claim: (person) => Promise.resolve(!claimed.has(person)),
        unclaim: () => Promise.resolve(),
        hasOtherRefreshToken: (person) => Promise.resolve(others.has(person)),
        rememberStepUp: () => Promise.resolve(),
        stepUp: () => Promise.resolve(undefined),
      },
    },
    signIns: {
      refreshable: (_olderThan, except = []) =>
        Promise.resolve(
          due
            .filter(({ signIn, provider }) => !done.has(signIn) && !except.includes(provider))
            .slice(0, limit),
        ),
      keepRefreshToken: (id, next) => {
        kept.push([id, next]);
        return Promise.resolve();
      },
    },
    people: {
      refreshed: (email, now) => {
        told.push(`${email} ${now ? now.groups.join('+') : 'gone'}`);
        return Promise.resolve();
      },
    },
    onAway: (provider) => void told.push(`${provider} away`),
    onError: (error) => void told.push(String(error)),
  };
  return { parts, told, kept, done, others, claimed };
}

function token(issuer: FakeIssuer, person = EMAIL, signIn = 's1'): Refreshable {
  issuer.refreshTokens.add(signIn);
  return { signIn, person, provider: issuer.config.name, refreshToken: signIn };
}

test('who is confirmed is, with the groups of now and the next refresh token', async () => {
  const { parts, told, kept } = world([token(acme)]);
  await recheckOnce(parts);
  assert.deepEqual(told, [`${EMAIL} dba+engineering`]);
  assert.equal(kept.length, 1);
  assert.ok(acme.refreshTokens.has(kept[0]?.[1] ?? ''));
});

test('who is refused is gone, unless another sign-in of theirs can still vouch', async () => {
  acme.refusesRefresh = 'invalid_grant';
  const gone = world([token(acme)]);
  await recheckOnce(gone.parts);
  assert.deepEqual([gone.told, gone.kept], [[`${EMAIL} gone`], [['s1', undefined]]]);
  const old = world([token(acme)]);
  old.others.add(EMAIL);
  await recheckOnce(old.parts);
  assert.deepEqual([old.told, old.kept], [[], [['s1', undefined]]]);
});

for (const code of ['invalid_client', 'unauthorized_client', 'invalid_scope', 'server_error'])
  test(`our own mistake (${code}) lets nobody go and confirms nobody`, async () => {
    acme.refusesRefresh = code;
    const { parts, told, kept } = world([token(acme)]);
    await recheckOnce(parts);
    assert.equal(told.length, 1);
    assert.doesNotMatch(told[0] ?? '', /gone|dba/);
    assert.deepEqual(kept, []);
  });

test('a token that is signed with a key of nobody lets nobody go and confirms nobody', async () => {
  const { parts, told } = world([token(acme)]);
  acme.idToken = (claims) => ({ ...claims, iss: 'https://evil.example' });
  await recheckOnce(parts);
  assert.equal(told.length, 1);
  assert.doesNotMatch(told[0] ?? '', /gone|dba/);
});

test('a provider that is away does not stand before the people of another', async () => {
  acme.down = true;
  const first = Array.from({ length: 5 }, (_, i) => token(acme, `a${i}@example.com`, `a${i}`));
  const { parts, told } = world([...first, token(other)], 5);
  await recheckOnce(parts);
  assert.ok(told.includes('acme away'));
  assert.ok(told.includes(`${EMAIL} dba+engineering`));
});

test('nobody is asked about whom another gateway asks about, or whose provider was taken out', async () => {
  const { parts, told, claimed } = world([
    token(acme),
    { signIn: 's2', person: 'x@example.com', provider: 'taken-out', refreshToken: 'r' },
  ]);
  claimed.add(EMAIL);
  await recheckOnce(parts);
  assert.deepEqual([told, acme.asked], [[], []]);
});

test('one that is stopped asks no more', async () => {
  const { parts, told } = world([token(acme)]);
  await recheckOnce(parts, () => true);
  assert.deepEqual(told, []);
});
