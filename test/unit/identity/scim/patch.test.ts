import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OidcConfig } from '#src/config/identity.ts';
import { ScimError } from '#src/identity/scim/error.ts';
import { applyPatch } from '#src/identity/scim/patch.ts';
import { keyOf } from '#src/identity/scim/person.ts';
import { GROUP, USER, type Attributes } from '#src/identity/scim/schema.ts';

const ADA: Attributes = {
  id: '48af03ac',
  externalId: '00ujl29u0le5T6Aj10h7',
  userName: 'Ada@Example.com',
  displayName: 'Ada "the first" Lovelace',
  name: { givenName: 'Ada', familyName: 'Lovelace' },
  emails: [
    { value: 'ada@example.com', type: 'work', primary: true },
    { value: 'ada@home.example', type: 'home' },
  ],
  active: true,
};

const ACME = {
  name: 'acme',
  label: 'Acme',
  protocol: 'oidc',
} as OidcConfig;

const is = (scimType: string) => (error: unknown) =>
  error instanceof ScimError && error.scimType === scimType;

const patch = (before: Attributes, ...Operations: object[]): Attributes =>
  applyPatch(USER, before, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations,
  });

const members = (...ids: string[]) => ids.map((value) => ({ value }));

const membersAfter = (before: string[], ...Operations: object[]) => {
  const after = applyPatch(
    GROUP,
    { displayName: 'g', members: members(...before) },
    { Operations },
  );
  const list = after['members'];
  return Array.isArray(list) ? list.map(({ value }) => value) : [];
};
describe('SCIM patches', () => {
  test('Okta deactivates with a value object and no path, and repeats the id of a group', () => {
    assert.equal(patch(ADA, { op: 'replace', value: { active: false } })['active'], false);
    const group = { displayName: 'Old', members: [{ value: 'u1' }] };
    const value = { id: 'abf4dd94', displayName: 'Test SCIMv2' };
    assert.deepEqual(applyPatch(GROUP, group, { Operations: [{ op: 'replace', value }] }), {
      members: [{ value: 'u1' }],
      displayName: 'Test SCIMv2',
    });
  });

  test('Entra ID deactivates with a text, in capitals', () => {
    const after = patch(ADA, { op: 'Replace', path: 'active', value: 'False' });
    assert.equal(after['active'], false);
  });

  test('Entra ID changes several attributes by paths with filters, and by an object of paths', () => {
    const after = patch(
      ADA,
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'new@example.com' },
      { op: 'Add', path: 'nickName', value: 'Babs' },
      {
        op: 'replace',
        value: {
          displayName: 'Bjfe',
          'name.givenName': 'Kkom',
          'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName': 'Unua',
          'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber': 'Aklq',
        },
      },
    );
    assert.deepEqual(after, {
      ...ADA,
      displayName: 'Bjfe',
      name: { givenName: 'Kkom', familyName: 'Unua' },
      emails: [
        { type: 'work', primary: true, value: 'new@example.com' },
        { value: 'ada@home.example', type: 'home' },
      ],
    });
  });

  test('what is set by a filter and not there is made', () => {
    const bare = { userName: 'a', active: true };
    const path = 'emails[type eq "work"].value';
    const after = patch(bare, { op: 'Add', path, value: 'a@example.com' });
    assert.deepEqual(after['emails'], [{ type: 'work', value: 'a@example.com' }]);
    assert.throws(
      () => patch(bare, { op: 'replace', path: 'emails[type co "work"].value', value: 'a' }),
      is('noTarget'),
    );
  });

  test('members come and go in every way that is sent', () => {
    const path = 'members';
    assert.deepEqual(membersAfter(['a'], { op: 'add', path, value: members('b', 'a') }), [
      'a',
      'b',
    ]);
    assert.deepEqual(membersAfter(['a'], { op: 'Add', path, value: { value: 'b' } }), ['a', 'b']);
    assert.deepEqual(membersAfter(['a'], { op: 'add', path, value: 'b' }), ['a', 'b']);
    assert.deepEqual(membersAfter(['a'], { op: 'add', value: { members: members('b') } }), [
      'a',
      'b',
    ]);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'remove', path: 'members[value eq "a"]' }), [
      'b',
    ]);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'remove', path: 'members[value eq "x"]' }), [
      'a',
      'b',
    ]);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'Remove', path, value: members('a') }), ['b']);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'Remove', path, value: { value: 'a' } }), [
      'b',
    ]);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'Remove', path, value: [] }), ['a', 'b']);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'remove', path }), []);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'replace', path, value: members('c') }), ['c']);
    assert.deepEqual(membersAfter(['a', 'b'], { op: 'replace', path, value: [] }), []);
  });

  test('another primary address takes the place of the first', () => {
    const value = [{ value: 'p@example.com', primary: true }];
    const after = patch(ADA, { op: 'add', path: 'emails', value });
    const primary = readEmails(after).filter((each) => each['primary'] === true);
    assert.deepEqual(primary, value);
    assert.equal(keyOf(after, ACME), 'p@example.com');
  });

  test('what decides who may come cannot be taken away', () => {
    for (const path of ['active', 'userName'])
      for (const operation of [
        { op: 'remove', path },
        { op: 'replace', path, value: null },
        { op: 'replace', value: { [path]: '' } },
      ])
        assert.throws(() => patch(ADA, operation), is('invalidValue'), JSON.stringify(operation));
  });

  const WRONG: readonly (readonly [string, object])[] = [
    ['invalidSyntax', { op: 'move', path: 'userName', value: 'x' }],
    ['invalidSyntax', { path: 'userName', value: 'x' }],
    ['noTarget', { op: 'remove' }],
    ['invalidValue', { op: 'replace', value: 'x' }],
    ['mutability', { op: 'replace', path: 'id', value: 'x' }],
    ['mutability', { op: 'remove', path: 'meta' }],
    ['invalidPath', { op: 'replace', path: 'userName.first', value: 'x' }],
    ['invalidPath', { op: 'replace', path: 'userName[value eq "x"]', value: 'x' }],
    ['invalidPath', { op: 'replace', path: '../../etc', value: 'x' }],
    ['invalidPath', { op: 'replace', path: 7, value: 'x' }],
    ['invalidFilter', { op: 'remove', path: 'emails[type eq work]' }],
    ['invalidValue', { op: 'replace', path: 'active', value: 'maybe' }],
  ];
  for (const [type, operation] of WRONG)
    test(`${type}: ${JSON.stringify(operation)}`, () =>
      assert.throws(() => patch(ADA, operation), is(type)));

  test('one wrong operation undoes all of them', () => {
    const before = structuredClone(ADA);
    assert.throws(() =>
      patch(ADA, { op: 'replace', value: { active: false } }, { op: 'remove', path: 'id' }),
    );
    assert.deepEqual(ADA, before);
  });
});

function readEmails(attributes: Attributes): readonly Record<string, unknown>[] {
  const { emails } = attributes;
  return Array.isArray(emails) ? emails : [];
}
