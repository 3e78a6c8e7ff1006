import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sameKey, tally } from '#src/approval/tally.ts';

const ME = 'engineer@example.com';
const voter = (name: string, ...groups: string[]) => ({ email: `${name}@example.com`, groups });
const needs = (groups: Record<string, number>) =>
  Object.entries(groups).map(([group, quorum]) => ({ group, quorum }));

const table: [string, Record<string, number>, ReturnType<typeof voter>[], boolean][] = [
  ['one of one group', { dba: 1 }, [voter('a', 'dba')], true],
  ['nobody yet', { dba: 1 }, [], false],
  ['somebody without the group', { dba: 1 }, [voter('a', 'ops')], false],
  ['a quorum counts persons, not votes', { dba: 2 }, [voter('a', 'dba'), voter('A', 'dba')], false],
  ['two persons for a quorum of two', { dba: 2 }, [voter('a', 'dba'), voter('b', 'dba')], true],
  ['one person counts for one group', { dba: 1, sec: 1 }, [voter('a', 'dba', 'sec')], false],
  [
    'the assignment that fits is found',
    { dba: 1, sec: 1 },
    [voter('a', 'dba', 'sec'), voter('b', 'dba')],
    true,
  ],
  [
    'in any order of votes',
    { dba: 1, sec: 1 },
    [voter('b', 'dba'), voter('a', 'dba', 'sec')],
    true,
  ],
  [
    'a chain of three',
    { x: 1, y: 1, z: 1 },
    [voter('a', 'x', 'y'), voter('b', 'x', 'z'), voter('c', 'x')],
    true,
  ],
  [
    'the requester never counts',
    { dba: 1 },
    [{ email: 'Engineer@Example.com ', groups: ['dba'] }],
    false,
  ],
  ['no group at all is never satisfied', {}, [voter('a', 'dba')], false],
];
for (const [name, groups, approvals, satisfied] of table)
  test(`tally: ${name}`, () => {
    assert.equal(tally(needs(groups), approvals, ME).satisfied, satisfied);
  });

test('tally says which groups still miss how many persons', () => {
  const { missing } = tally(needs({ dba: 2, sec: 1 }), [voter('a', 'dba')], ME);
  assert.deepEqual(missing, [
    { group: 'dba', quorum: 1 },
    { group: 'sec', quorum: 1 },
  ]);
});

/** Tries every assignment of persons to seats. */
function bruteForce(
  seats: readonly string[],
  voters: readonly ReturnType<typeof voter>[],
): boolean {
  const [seat, ...rest] = seats;
  if (seat === undefined) return true;
  return voters.some(
    (one) =>
      one.groups.includes(seat) &&
      bruteForce(
        rest,
        voters.filter((other) => other !== one),
      ),
  );
}

test('tally agrees with trying every assignment, and counts everybody at most once in a group of theirs', () => {
  const names = ['dba', 'sec', 'ops'];
  const votes = fc.array(fc.subarray(names), { maxLength: 5 });
  const quorums = fc.uniqueArray(
    fc.record({ group: fc.constantFrom(...names), quorum: fc.integer({ min: 1, max: 2 }) }),
    { selector: (one) => one.group, minLength: 1 },
  );
  fc.assert(
    fc.property(quorums, votes, (groups, own) => {
      const voters = own.map((each, i) => voter(`v${i}`, ...each));
      const result = tally(groups, voters, ME);
      const seats = groups.flatMap(({ group, quorum }) => Array<string>(quorum).fill(group));
      assert.equal(result.satisfied, bruteForce(seats, voters));
      for (const [email, group] of result.counted)
        assert.ok(voters.find((one) => one.email === email)?.groups.includes(group));
      const missing = result.missing.reduce((sum, each) => sum + each.quorum, 0);
      assert.equal(missing + result.counted.size, seats.length);
    }),
  );
});

test('e-mails that read the same are the same person', () => {
  assert.equal(sameKey(' Engineer@EXAMPLE.com'), 'engineer@example.com');
  assert.equal(sameKey('engineer\uFF20example.com'), 'engineer@example.com');
});
