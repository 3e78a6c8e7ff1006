import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OidcConfig } from '#src/config/identity.ts';
import { ScimError } from '#src/identity/scim/error.ts';
import { readQuery, shownResource } from '#src/identity/scim/list.ts';
import { keyOf, nameOf, roleOf } from '#src/identity/scim/person.ts';
import { readAttributes } from '#src/identity/scim/read.ts';
import { USER, type Attributes } from '#src/identity/scim/schema.ts';

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

const shown = (query: Record<string, unknown>) =>
  shownResource(USER, ADA, readQuery(USER, query).hidden);

describe('SCIM resources', () => {
  test('what a provider sends is read as the schema knows it, and nothing else is kept', () => {
    const read = readAttributes(USER, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      ID: 'mine',
      USERNAME: ' ada@example.com ',
      password: '1mz050nq',
      active: 'True',
      groups: [],
      displayName: '',
      name: { GivenName: 'Ada', middleName: 'x' },
      emails: { value: 'ada@example.com', primary: 'true', display: 'x' },
      phoneNumbers: [{ value: '1' }],
      meta: { resourceType: 'User' },
    });
    assert.deepEqual(read, {
      userName: 'ada@example.com',
      active: true,
      name: { givenName: 'Ada' },
      emails: [{ value: 'ada@example.com', primary: true }],
    });
  });

  const WRONG: readonly (readonly [string, unknown])[] = [
    ['no object', []],
    ['a number for a name', { userName: 7 }],
    ['a name with a line end', { userName: 'a\nb' }],
    ['half of a character', { userName: 'a\ud800' }],
    ['a name without end', { userName: 'a'.repeat(1001) }],
    ['a word that is no boolean', { userName: 'a', active: 'no' }],
    ['two primary addresses', { emails: ['a', 'b'].map((value) => ({ value, primary: true })) }],
    ['an address without value', { emails: [{ type: 'work' }] }],
    ['a list of lists', { emails: [[]] }],
    ['a name that is a text', { name: 'Ada' }],
  ];
  for (const [what, body] of WRONG)
    test(`${what} is refused`, () => assert.throws(() => readAttributes(USER, body), ScimError));

  test('a key that is there twice in other letters is refused: nobody knows which counts', () => {
    assert.throws(
      () => readAttributes(USER, { userName: 'a', active: false, Active: true }),
      is('invalidSyntax'),
    );
    assert.throws(
      () => readAttributes(USER, { emails: [{ value: 'a@b.c', VALUE: 'x@b.c' }] }),
      is('invalidSyntax'),
    );
  });

  test('the primary address is the person, else the work address, else the first, else userName', () => {
    const any = ACME;
    const key = (emails: object[] | undefined) =>
      keyOf(readAttributes(USER, { userName: 'U@Example.com', ...(emails && { emails }) }), any);
    assert.equal(key(undefined), 'u@example.com');
    assert.equal(key([{ value: 'A@b.c' }, { value: 'w@b.c', type: 'Work' }]), 'w@b.c');
    assert.equal(key([{ value: 'A@b.c' }, { value: 'w@b.c' }]), 'a@b.c');
    assert.equal(
      key([
        { value: 'w@b.c', type: 'work' },
        { value: 'P@b.c', primary: true },
      ]),
      'p@b.c',
    );
  });

  test('a provider speaks for its domains alone, and for addresses alone', () => {
    const acme = { ...ACME, domains: ['example.com'] };
    const key = (userName: string) => keyOf({ userName }, acme);
    assert.equal(key('Ada@EXAMPLE.com'), 'ada@example.com');
    for (const foreign of ['ada@other.com', 'ada@sub.example.com', 'ada@example.com.evil.org'])
      assert.throws(() => key(foreign), is('invalidValue'));
    for (const none of ['ada', 'a@b@example.com', '@example.com', 'a b@example.com'])
      assert.throws(() => key(none), ScimError);
  });

  test('names and groups are those that people know', () => {
    assert.equal(nameOf({ userName: 'u', name: { givenName: 'A', familyName: 'L' } }), 'A L');
    assert.equal(nameOf({ userName: 'u', name: { formatted: 'F', givenName: 'A' } }), 'F');
    assert.equal(nameOf({ userName: 'u' }), 'u');
    const groups = new Map([
      ['a1b2', 'dba'],
      ['Oncall', 'oncall'],
    ]);
    const role = (attributes: Attributes) => roleOf(attributes, { ...ACME, groups });
    assert.equal(role({ displayName: 'anything', externalId: 'a1b2' }), 'dba');
    assert.equal(role({ displayName: 'Oncall' }), 'oncall');
    assert.equal(role({ displayName: 'dba' }), null);
    assert.equal(roleOf({ displayName: 'dba' }, ACME), 'dba');
  });

  test('an answer has what was asked for, and always the id', () => {
    assert.deepEqual(shown({ attributes: 'username,name.givenName' }), {
      schemas: [USER.id],
      id: '48af03ac',
      userName: 'Ada@Example.com',
      name: { givenName: 'Ada' },
    });
    const less = Object.keys(shown({ excludedAttributes: 'emails,id,name.givenName' }));
    assert.deepEqual(less, [
      'schemas',
      'id',
      'externalId',
      'userName',
      'displayName',
      'name',
      'active',
    ]);
    assert.throws(() => readQuery(USER, { count: 'many' }), is('invalidValue'));
    assert.equal(readQuery(USER, { count: '100000', startIndex: '-3' }).count, 200);
    assert.equal(readQuery(USER, { count: '100000', startIndex: '-3' }).startIndex, 1);
  });
});
