import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { before, test } from 'node:test';
import type { Grant } from '#src/approval/request.ts';
import type { AccessTerms } from '#src/policy/verdict.ts';
import type { Oidc } from '#src/identity/oidc/oidc.ts';
import type { Offer, RoleAccess } from '#gateway/roles.ts';
import { makeRequest, makeWorld, people } from '../unit/api-fakes.ts';
import { looksGood, skip, startConsole, type Console } from './console-browser.ts';

const terms: AccessTerms = {
  longestMs: 4 * 3_600_000,
  start: 'use',
  waitsMs: 86_400_000,
  ends: 'cancel',
  reasonRequired: true,
  tickets: [],
  reviewers: ['security'],
  channels: [],
};
const requirement = makeRequest().requirement;
const offers: readonly Offer[] = [
  {
    target: 'shop',
    role: 'writer',
    action: 'request',
    access: { kind: 'hold', rules: ['second'], message: 'a DBA agrees', requirement, terms },
  },
  {
    target: 'shop',
    role: 'r'.repeat(60),
    action: 'request',
    access: { kind: 'allow', rules: ['all'], terms },
  },
  {
    target: 'shop',
    role: 'admin',
    action: 'break-glass',
    access: { kind: 'allow', rules: ['glass'], terms },
  },
];
const grant = (change: Partial<Grant> = {}): Grant => ({
  id: randomUUID(),
  kind: 'access',
  person: people.engineer.email,
  target: 'shop',
  role: 'writer',
  state: 'live',
  durationMs: 7_200_000,
  createdAt: '2026-11-20T20:00:00.000Z',
  startsAt: '2026-11-20T20:10:00.000Z',
  endsAt: '2026-11-20T22:10:00.000Z',
  ends: 'cancel',
  reviewers: [],
  ...change,
});
const role = {
  role: 'writer',
  durationMs: 7_200_000,
  start: 'use',
  waitsMs: 86_400_000,
  ends: 'cancel',
} as const;
const card = {
  masked: '',
  database: '',
  digest: '',
  words: ['asks for the role writer on shop, for 2h'],
  access: role,
};

const live = makeRequest({ kind: 'access', state: 'granted', grant: grant() }, card);
const pending = makeRequest({ kind: 'access' }, { ...card, reason: 'w'.repeat(200) });
const broken = makeRequest(
  {
    kind: 'break-glass',
    state: 'granted',
    requirement: { ...requirement, groups: [] },
    grant: grant({
      kind: 'break-glass',
      role: 'admin',
      state: 'ended',
      endedAt: '2026-11-20T21:00:00.000Z',
      endedWhy: 'given back',
      reviewers: ['security'],
    }),
  },
  {
    ...card,
    words: ['breaks the glass for the role admin on shop, for 1h'],
    access: { ...role, role: 'admin', reviewers: ['security'] },
  },
);
const SESSION = randomUUID();

let gate: Console;
const asked: unknown[] = [];
before(async () => {
  if (skip !== false) return;
  const world = makeWorld();
  for (const request of [live, pending, broken]) world.put(request);
  const grants = [live.grant, broken.grant].flatMap((each) => each ?? []);
  const access: RoleAccess = {
    rules: {
      offers: () => Promise.resolve(offers),
      judge: () => Promise.resolve({ kind: 'deny', rules: ['night'], message: 'not at night' }),
      refusesRole: () => Promise.resolve(undefined),
      refusesGrant: () => Promise.resolve(undefined),
      version: () => 'v1',
    },
    askAccess: (one) => {
      asked.push(one);
      return Promise.resolve(pending);
    },
    breakGlass: () => Promise.resolve(undefined),
    grants: {
      get: (id) => Promise.resolve(grants.find((each) => each.id === id)),
      list: ({ unreviewed }) =>
        Promise.resolve(
          grants.filter((each) => (each.kind === 'break-glass') === (unreviewed === true)),
        ),
      end: () => Promise.resolve(true),
      review: () => Promise.resolve(true),
      round: () => Promise.resolve(),
    },
  };
  const oidc: Oidc = {
    providers: new Map(),
    secret: Buffer.alloc(32),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nobody signs in here
    store: { stepUp: () => Promise.resolve(undefined) } as unknown as Oidc['store'],
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only these are asked
    sessions: {
      open: (id: string) =>
        Promise.resolve(
          id === SESSION
            ? {
                id,
                target: 'shop',
                database: 'shop',
                client: '127.0.0.1:5',
                application: 'w'.repeat(80),
                startedAt: '2026-11-20T20:00:00.000Z',
              }
            : undefined,
        ),
      current: () => Promise.resolve(undefined),
    } as unknown as Oidc['sessions'],
  };
  world.deps = { ...world.deps, access, oidc };
  gate = await startConsole(world);
});

for (const width of [360, 1440])
  test(`roles fit ${width} px and have no barrier in light or dark colours`, { skip }, async () => {
    const options = { viewport: { width, height: 800 }, reducedMotion: 'reduce' } as const;
    for (const [who, places] of [
      [
        'engineer-read+decide',
        [
          '/access',
          `/requests/${live.id}`,
          `/requests/${pending.id}`,
          `/sessions/${SESSION}/sign-in`,
        ],
      ],
      ['approver-read+decide', [`/requests/${live.id}`, `/requests/${pending.id}`]],
      ['security-read+decide', ['/access', `/requests/${broken.id}`]],
    ] as const) {
      const page = await gate.signedIn(who, options);
      for (const place of places) {
        await page.goto(gate.url + place);
        await looksGood(page, `${who} ${place}`, width);
      }
      await page.context().close();
    }
    gate.calm();
  });

test(
  'a role is asked for by keyboard alone, and a refusal keeps what was typed',
  { skip },
  async () => {
    const page = await gate.signedIn('engineer-read+decide', { javaScriptEnabled: false });
    await page.goto(`${gate.url}/access`);
    await page.getByRole('combobox').first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('45m');
    await page.keyboard.press('Tab');
    await page.keyboard.type('a customer waits');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('not at night').waitFor();
    assert.equal(await page.getByLabel('For how long').first().inputValue(), '45m');
    assert.match(await page.getByLabel('Reason').first().inputValue(), /a customer waits/);
    assert.equal(asked.length, 0);
    await page.context().close();
  },
);

test(
  'what one may do with a grant is on the page of its request, and nothing more',
  { skip },
  async () => {
    const own = await gate.signedIn('engineer-read+decide');
    await own.goto(`${gate.url}/requests/${live.id}`);
    await own.getByRole('button', { name: 'Give it back' }).waitFor();
    assert.equal(await own.getByRole('button', { name: 'Approve' }).count(), 0);
    const dba = await gate.signedIn('approver-read+decide');
    await dba.goto(`${gate.url}/requests/${live.id}`);
    await dba.getByRole('button', { name: 'End it now' }).waitFor();
    await dba.goto(`${gate.url}/requests/${pending.id}`);
    await dba.getByLabel('For a shorter time').waitFor();
    const security = await gate.signedIn('security-read+decide');
    await security.goto(`${gate.url}/requests/${broken.id}`);
    await security.getByLabel('What was done, and was it right?').waitFor();
    await own.goto(`${gate.url}/requests/${broken.id}`);
    assert.equal(
      await own.getByLabel('What was done, and was it right?').count(),
      0,
      'nobody reviews their own',
    );
    gate.calm();
  },
);
