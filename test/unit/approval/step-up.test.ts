import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepUpRefusal, type StepUp } from '#src/approval/step-up.ts';
import type { Requirement } from '#src/policy/verdict.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const at = (seconds: number): number => now + seconds * 1_000;
const requirement: Requirement = {
  groups: [{ group: 'dba', quorum: 1 }],
  expiresMs: 900_000,
  reasonRequired: false,
  channels: [],
  reactionsVote: false,
  stepUpMs: 300_000,
};
const request = { id: 'r1', createdAt: new Date(at(-600)).toISOString(), requirement };
const fresh: StepUp = { request: 'r1', authTime: at(-10), skewMs: 30_000 };
const why = (stepUp: StepUp | undefined, more: Partial<Requirement> = {}) =>
  stepUpRefusal({ ...request, requirement: { ...requirement, ...more } }, stepUp, now)?.message;

test('a fresh sign-in for the request does', () => {
  assert.equal(why(fresh), undefined);
  assert.equal(why({ ...fresh, authTime: at(-300) }), undefined);
  const { groups, expiresMs, reasonRequired, channels, reactionsVote } = requirement;
  const none = { groups, expiresMs, reasonRequired, channels, reactionsVote };
  assert.equal(stepUpRefusal({ ...request, requirement: none }, undefined, now), undefined);
});

const refused: readonly [string, StepUp | undefined, RegExp][] = [
  ['none', undefined, /Open the request in the console/],
  ['one for another request', { ...fresh, request: 'r2' }, /for this very request/],
  ['one that is too old by now', { ...fresh, authTime: at(-301) }, /no longer fresh/],
  ['one from the future', { ...fresh, authTime: at(31) }, /no longer fresh/],
  ['one of no time', { ...fresh, authTime: Number.NaN }, /no longer fresh/],
];
for (const [what, stepUp, message] of refused)
  test(`${what} does not`, () => assert.match(why(stepUp) ?? '', message));

test('one from before the request was opened does not, but for the skew', () => {
  const opened = { ...request, createdAt: new Date(at(-5)).toISOString() };
  const of = (seconds: number) =>
    stepUpRefusal(opened, { ...fresh, authTime: at(seconds) }, now)?.code;
  assert.equal(of(-30), undefined);
  assert.equal(of(-36), 'step-up-required');
});

test('the ways that the rules ask for must all have been used', () => {
  assert.match(why(fresh, { acr: ['phr'] }) ?? '', /acr phr/);
  assert.equal(why({ ...fresh, acr: 'phr' }, { acr: ['phr'] }), undefined);
  assert.match(why({ ...fresh, acr: 'phr' }, { acr: ['mfa', 'phr'] }) ?? '', /acr mfa/);
  assert.match(why({ ...fresh, amr: ['pwd'] }, { amr: ['hwk', 'pin'] }) ?? '', /hwk and amr pin/);
  assert.equal(why({ ...fresh, amr: ['pin', 'hwk'] }, { amr: ['hwk', 'pin'] }), undefined);
});
