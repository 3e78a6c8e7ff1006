import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ScimError } from '#src/identity/scim/error.ts';
import { parseFilter } from '#src/identity/scim/filter.ts';
import { matches } from '#src/identity/scim/matches.ts';
import { applyPatch } from '#src/identity/scim/patch.ts';
import { readAttributes } from '#src/identity/scim/read.ts';
import { GROUP, USER, type Attributes, type Schema } from '#src/identity/scim/schema.ts';

const ADA: Attributes = {
  userName: 'ada@example.com',
  emails: [{ value: 'ada@example.com', type: 'work', primary: true }],
  active: true,
};

/** Words that mean something to the readers, and such that mean something to JavaScript. */
const WORDS = fc.constantFrom(
  'userName',
  'active',
  'emails',
  'members',
  'emails[type eq "work"].value',
  'members[value eq "x"]',
  'name.givenName',
  'id',
  'meta',
  'schemas',
  '__proto__',
  'constructor',
  'constructor.prototype',
  '__proto__.active',
  'toString',
  'hasOwnProperty',
  'urn:ietf:params:scim:schemas:core:2.0:User:active',
  '',
);
const text = fc.oneof(WORDS, fc.string({ unit: 'binary', maxLength: 20 }));
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false, 'True', 'False', 7),
    text,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(text, tie('json'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

/** Runs it; only a ScimError may come out. */
function answered<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ScimError)) throw error;
    assert.ok(error.status === 400, error.message);
    return undefined;
  }
}

/** Only names of the schema, only values of its types. */
function holdsOnly(schema: Schema, resource: Attributes): void {
  assert.equal(Object.getPrototypeOf(resource), Object.prototype);
  for (const [name, value] of Object.entries(resource)) {
    const attribute = schema.attributes.find((each) => each.name === name);
    assert.ok(attribute && !attribute.readOnly, name);
    if (attribute.type === 'string') assert.equal(typeof value, 'string');
    if (attribute.type === 'boolean') assert.equal(typeof value, 'boolean');
    if (attribute.multiValued) assert.ok(Array.isArray(value) && value.length > 0);
  }
}

const untouched = (): void => {
  assert.equal(Reflect.get({}, 'active'), undefined);
  assert.deepEqual(Object.keys(Object.prototype), []);
};

describe('anything that a provider could send', () => {
  test('a body is read to what the schema knows, or refused', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(USER, GROUP), (body, schema) => {
        const read = answered(() => readAttributes(schema, body));
        if (read) holdsOnly(schema, read);
        untouched();
      }),
      { numRuns: 2_000 },
    );
  });

  test('a patch leaves a resource of the schema, or is refused', () => {
    const operation = fc.record(
      { op: fc.constantFrom('add', 'Remove', 'replace', 'x'), path: text, value: json },
      { requiredKeys: ['op'] },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 4 }), (Operations) => {
        const after = answered(() => applyPatch(USER, ADA, { Operations }));
        if (after) {
          holdsOnly(USER, after);
          assert.equal(typeof after['active'], 'boolean');
          assert.equal(typeof after['userName'], 'string');
        }
        untouched();
      }),
      { numRuns: 5_000 },
    );
  });

  test('a filter is decided, or refused', () => {
    const piece = fc.oneof(
      WORDS,
      fc.constantFrom('eq', 'co', 'and', 'or', 'not', 'pr', '(', ')', '[', ']', '"a"', 'true', '"'),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const filter = answered(() => parseFilter(USER, pieces.join(' ')));
        if (filter) assert.equal(typeof matches(filter, ADA), 'boolean');
      }),
      { numRuns: 10_000 },
    );
  });

  test('keys that JavaScript knows change nothing', () => {
    const body = JSON.parse(
      '{"userName":"a@example.com","__proto__":{"active":true},"constructor":{"prototype":{"active":true}},"name":{"__proto__":{"givenName":"x"}}}',
    );
    assert.deepEqual(readAttributes(USER, body), { userName: 'a@example.com' });
    const off = { ...ADA, active: false };
    for (const path of ['__proto__.active', 'constructor.prototype', '__proto__'])
      for (const operation of [
        { op: 'replace', path, value: true },
        { op: 'add', value: JSON.parse(`{"${path}":{"active":true}}`) },
      ]) {
        const after = answered(() => applyPatch(USER, off, { Operations: [operation] }));
        if (after) assert.deepEqual(after, off);
      }
    untouched();
  });

  test('giant lists are refused or read in no time', () => {
    const members = Array.from({ length: 20_001 }, (_, i) => ({ value: `u${i}` }));
    assert.throws(() => readAttributes(GROUP, { displayName: 'g', members }), ScimError);
    const Operations = Array.from({ length: 1_001 }, () => ({ op: 'remove', path: 'members' }));
    assert.throws(() => applyPatch(GROUP, { displayName: 'g' }, { Operations }), ScimError);
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
    assert.deepEqual(readAttributes(GROUP, JSON.parse(deep)), {});
    const all = { displayName: 'g', members: members.slice(0, 20_000) };
    const started = performance.now();
    const path = 'members[value eq "u1"]';
    const after = applyPatch(GROUP, all, { Operations: [{ op: 'remove', path }] });
    assert.equal((after['members'] as unknown[]).length, 19_999);
    assert.ok(performance.now() - started < 5_000);
  });
});
