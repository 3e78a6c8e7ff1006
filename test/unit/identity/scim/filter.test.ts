import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ScimError } from '#src/identity/scim/error.ts';
import { parseFilter } from '#src/identity/scim/filter.ts';
import { matches, mustEqual } from '#src/identity/scim/matches.ts';
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

const is = (scimType: string) => (error: unknown) =>
  error instanceof ScimError && error.scimType === scimType;

const email = (text: string) => mustEqual(parseFilter(USER, text), 'emails.value');
const key = (text: string) => mustEqual(parseFilter(USER, text), 'userName');

describe('SCIM filters', () => {
  const HOLDS = [
    'userName eq "ada@example.com"',
    'USERNAME EQ "ADA@EXAMPLE.COM"',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada@example.com"',
    'externalId eq "00ujl29u0le5T6Aj10h7"',
    'displayName co "\\"the first\\""',
    'name.givenName sw "A" and name.familyName ew "lace"',
    'emails eq "ada@home.example"',
    'emails.value co "home"',
    'emails[type eq "work"].value eq "ada@example.com"',
    'emails[type eq "work" and primary eq true]',
    'active eq true and not (userName eq "x")',
    'active eq "True"',
    'userName eq "x" or userName eq "y" or (active eq true and displayName pr)',
    'name.formatted eq null',
    'userName ne "x"',
    'userName gt "ad" and userName lt "ae" and userName ge "ada" and userName le "adb"',
  ];
  for (const text of HOLDS)
    test(`holds: ${text}`, () => assert.equal(matches(parseFilter(USER, text), ADA), true));

  const FAILS = [
    'userName eq "ada"',
    'externalId eq "00UJL29U0LE5T6AJ10H7"',
    'emails[type eq "home"].value eq "ada@example.com"',
    'emails[type eq "home" and primary eq true]',
    'active eq false or userName eq "x" and userName eq "ada@example.com"',
    'not (userName pr)',
    'userName eq null',
    'emails ne "ada@home.example"',
  ];
  for (const text of FAILS)
    test(`does not hold: ${text}`, () =>
      assert.equal(matches(parseFilter(USER, text), ADA), false));

  const WRONG = [
    '',
    'userName',
    'userName eq',
    'userName eq ada',
    'userName eq "ada',
    'userName is "ada"',
    'nickName eq "ada"',
    '__proto__ eq "ada"',
    'constructor.name eq "ada"',
    'name eq "ada"',
    'name.given eq "ada"',
    'userName.first eq "ada"',
    'active gt true',
    'active eq "perhaps"',
    'userName eq true',
    'userName co null',
    'userName eq "a" and',
    '(userName eq "a"',
    'userName eq "a")',
    'userName[type eq "a"]',
    'emails[type eq "work"',
    'emails[kind eq "work"]',
    'userName eq "\\u12"',
    `${'('.repeat(30)}userName eq "a"${')'.repeat(30)}`,
    Array.from({ length: 101 }, () => 'active eq true').join(' or '),
    `userName eq "${'a'.repeat(5000)}"`,
  ];
  for (const text of WRONG)
    test(`is refused: ${text.slice(0, 60)}`, () =>
      assert.throws(() => parseFilter(USER, text), is('invalidFilter')));

  test('an index is asked only where the filter cannot hold otherwise', () => {
    assert.equal(key('active eq true and userName eq "a"'), 'a');
    assert.equal(key('active eq true or userName eq "a"'), undefined);
    assert.equal(key('not (userName eq "a")'), undefined);
    assert.equal(key('userName sw "a"'), undefined);
    assert.equal(email('emails[type eq "work"].value eq "a"'), 'a');
    assert.equal(email('emails eq "a" and active eq true'), 'a');
    assert.equal(email('emails[type eq "work" or value eq "a"]'), undefined);
    assert.equal(email('emails[not (value eq "a")]'), undefined);
  });
});
