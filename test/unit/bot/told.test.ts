import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Card, Request } from '#src/approval/request.ts';
import type { Post } from '#bot/model.ts';
import { cardFor } from '#bot/requests/cards.ts';
import { fits, slackMessage } from '#bot/slack/render.ts';
import { DBA, asked } from '../../fakes/approval.ts';
import { checkMessage } from '../../fakes/blockkit.ts';

const ID = '3f0e8a6e-0d6c-4b7e-9a52-6b9d3c1f2a44';
const URL = 'https://cs.example.com';

const SLACK = { name: 'slack' as const, fits: (post: Post) => fits(slackMessage(post)) };
const cardOf = (one: Request, url: string) => slackMessage(cardFor(one, url, SLACK));

const request = (card: Partial<Card> = {}, rest: Partial<Request> = {}): Request => ({
  id: ID,
  version: 1,
  state: 'pending',
  kind: 'statement',
  gateway: 'test',
  session: ID,
  statement: ID,
  requirement: DBA,
  card: { ...asked().card, digest: '0123456789abcdef', ...card },
  decisions: [],
  record: ID,
  createdAt: '2026-11-20T12:00:00.000Z',
  expiresAt: '2026-11-20T12:15:00.000Z',
  ...rest,
});
const shape = {
  words: 'any one row of shop.public.orders by id; nothing else may differ',
  ms: 1_800_000,
};
const json = (one: Request): string => JSON.stringify(cardOf(one, URL).blocks);

test('rows, what ran before, and the same before are on the card', () => {
  const text = json(
    request(
      {
        before: [
          { text: 'select 1', verdict: 'allow', ok: true, rows: 1 },
          { text: 'delete from x', verdict: 'deny' },
          { text: 'select 2', verdict: 'approved' },
          { text: 'select 3', verdict: 'allow', ok: false, code: '42P01' },
        ],
        same: {
          approved: 2,
          denied: 1,
          lastApproved: { by: ['a@example.com'], at: '2026-11-19T10:00:00.000Z' },
          lastDenied: { by: ['b@example.com'], at: '2026-11-18T10:00:00.000Z' },
        },
      },
      {
        rows: {
          state: 'known',
          estimated: 12,
          counted: 10,
          sample: { columns: ['id'], keys: [['7'], ['9']] },
        },
      },
    ),
  );
  for (const part of [
    'exactly 10 rows; a run that changes more is rolled back',
    'about 12 rows by the planner',
    'among them id 7; 9',
    'approved 2 times, last by a@example.com on 2026-11-19',
    'denied once, last by b@example.com on 2026-11-18',
    '1 more in the console → delete from x (refused) → select 2 (outcome not known yet) → select 3 (failed with 42P01)',
  ])
    assert.ok(text.includes(part), part);
});

test('a card says that it estimates, and why it does not', () => {
  assert.ok(json(request({}, { rows: { state: 'estimating' } })).includes('estimating…'));
  const why = { state: 'unknown', why: 'row-level security decides' } as const;
  assert.ok(json(request({}, { rows: why })).includes('not estimated: row-level security decides'));
});

test('the second button says what may run again, and is only where all of it can be read', () => {
  const one = request({ shape });
  const text = json(one);
  assert.ok(text.includes('Approve this and the same for 30 min'));
  assert.ok(text.includes(shape.words));
  checkMessage(cardOf(one, URL));
  for (const other of [
    request({ shape, hidesWrite: true }),
    request({ shape: { ...shape, words: 'x'.repeat(300) } }),
    request({ shape }, { requirement: { ...DBA, stepUpMs: 60_000 } }),
    request({ shape }, { state: 'denied' }),
    request(),
  ])
    assert.ok(!json(other).includes('approve-shape'));
});

test('an approved shape is on the card until it is revoked', () => {
  const until = '2026-11-20T12:30:00.000Z';
  const live = request(
    { shape },
    { state: 'done', shape: { until, approvers: ['a@example.com'] } },
  );
  assert.ok(json(live).includes('for 30 min, until 2026-11-20 12:30 UTC: any one row'));
  const ended = { until, approvers: [], revokedAt: until, revokedBy: 'b@example.com' };
  assert.ok(
    json(request({ shape }, { state: 'done', shape: ended })).includes('revoked by b@example.com'),
  );
});

test('whatever was run before, the card is one that Slack takes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 400, unit: 'binary' }), { maxLength: 10 }),
      (texts) => {
        const before = texts.map((text) => ({
          text: text.toWellFormed(),
          verdict: 'allow',
          ok: true,
        }));
        checkMessage(cardOf(request({ before, shape }), URL));
      },
    ),
    { numRuns: 30 },
  );
});
