import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Card, Request } from '#src/approval/request.ts';
import { answerForm, approveForm, askForm, denyForm, handOverForm } from '#bot/requests/forms.ts';
import { modalOf } from '#bot/slack/render.ts';
import { DBA, asked } from '../../fakes/approval.ts';
import { checkView } from '../../fakes/blockkit.ts';

const ID = '3f0e8a6e-0d6c-4b7e-9a52-6b9d3c1f2a44';
const URL = 'https://cs.example.com';
const request = (card: Partial<Card>, rest: Partial<Request> = {}): Request => ({
  id: ID,
  version: 1,
  state: 'pending',
  kind: 'statement',
  gateway: 'test',
  requirement: DBA,
  card: { ...asked().card, digest: '', ...card },
  decisions: [],
  record: ID,
  createdAt: '2026-11-20T12:00:00.000Z',
  expiresAt: '2026-11-20T12:15:00.000Z',
  ...rest,
});
const access = {
  role: 'support',
  durationMs: 3_600_000,
  start: 'use',
  waitsMs: 3_600_000,
  ends: 'cancel',
} as const;
const asksRole = (more: Partial<Request['requirement']> = {}) =>
  request({ access, masked: '' }, { kind: 'access', requirement: { ...DBA, ...more } });

test('every form is one that Slack takes, whatever stands in it', () => {
  const long = '<!channel> '.repeat(90);
  const one = asksRole({ reasonRequired: true, handOver: ['security'] });
  for (const form of [
    denyForm(ID),
    approveForm(one, { version: 1, shape: false }, URL),
    approveForm(
      request({ shape: { words: long, ms: 1_800_000 } }),
      { version: 1, shape: true },
      URL,
    ),
    askForm(one),
    answerForm(ID, ID, long),
    handOverForm(
      one,
      Array.from({ length: 200 }, (_, i) => `group-${i}-${'x'.repeat(i)}`),
    ),
  ])
    assert.deepEqual(checkView(modalOf(form, ID)), [], form.id);
});

test('a role can be let for a shorter time, never for a longer one', () => {
  const form = approveForm(asksRole(), { version: 1, shape: false }, URL);
  const field = form.fields.find(({ id }) => id === 'duration');
  assert.ok(field?.kind === 'choice');
  assert.deepEqual(
    field.choices.map(({ value }) => Number(value) / 60_000),
    [60, 30, 15],
  );
});
