import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayEndGrant } from '#gateway/api/asking.ts';
import type { Grant } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';

const person = (name: string, ...groups: readonly string[]): Person => ({
  email: `${name}@example.com`,
  name,
  groups,
});
const glass: Grant = {
  id: 'g',
  kind: 'break-glass',
  person: 'engineer@example.com',
  target: 'shop',
  role: 'owner',
  state: 'live',
  durationMs: 1,
  createdAt: '2026-11-22T10:00:00.000Z',
  ends: 'cancel',
  reviewers: ['auditors'],
};

const may = (who: Person): boolean => mayEndGrant(who, glass, undefined);

test('broken glass is ended by its person, who reviews it and security, and by nobody else', () => {
  assert.equal(may(person('engineer')), true);
  assert.equal(may(person('auditor', 'auditors')), true);
  assert.equal(may(person('guard', 'security')), true);
  assert.equal(may(person('other', 'engineering', 'dba')), false);
  assert.equal(may({ ...person('robot', 'auditors'), machine: true }), false);
});
