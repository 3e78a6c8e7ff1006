import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { shared } from '#src/audit/shared.ts';
import { Stored } from '#src/audit/stored.ts';
import { draftOf } from '#src/audit/draft.ts';
import { readEffects, writeEffects } from '#src/statement/recorded.ts';
import { escapeKinds, type Effect, type Resource } from '#src/statement/effect.ts';
import { sharedEffects, sharedSubject } from '#gateway/gate/shared.ts';
import { effect, subject } from './world.ts';

const name = fc.string({ minLength: 1 });
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.tuple(name).map((path) => ({ type: 'Target' as const, path })),
  fc.tuple(name, name, name).map((path) => ({ type: 'Table' as const, path })),
  fc.tuple(name, name, name, name).map((path) => ({ type: 'Column' as const, path })),
);
const effects: fc.Arbitrary<readonly Effect[]> = fc.array(
  fc.record(
    {
      class: name,
      bounded: fc.boolean(),
      words: fc.constant('SECRET WORDS'),
      accesses: fc.array(
        fc.record(
          { action: fc.constantFrom('read' as const, 'write' as const), resource },
          { noNullPrototype: true },
        ),
      ),
      columns: fc.array(
        fc.record(
          {
            action: fc.constantFrom('filter' as const, 'assign' as const),
            column: resource,
          },
          { noNullPrototype: true },
        ),
      ),
      outputs: fc.array(
        fc.record(
          {
            name: fc.constant('SECRET ALIAS'),
            sources: fc.array(resource),
            verbatim: fc.boolean(),
            origin: fc.constant([0, 0] as const),
          },
          { noNullPrototype: true },
        ),
      ),
      flows: fc.array(resource),
      computed: fc.array(resource),
      opaque: fc.constant(true),
      upsert: fc.constant(true),
      escapes: fc.subarray([...escapeKinds]),
      estimatedRows: fc.nat(),
    },
    { requiredKeys: ['class', 'bounded', 'words', 'accesses', 'columns'], noNullPrototype: true },
  ),
);

suite('effects in a record', () => {
  test('are read as they were written, but for words, aliases and estimates', () => {
    fc.assert(
      fc.property(effects, (given) => {
        const text = writeEffects(given);
        assert.doesNotMatch(text, /SECRET/);
        const expected = given.map(({ estimatedRows: _rows, outputs, ...rest }) => ({
          ...rest,
          words: '',
          ...(outputs && {
            outputs: outputs.map((one) => ({ ...one, name: '', origin: [0, 0] })),
          }),
        }));
        assert.deepEqual(readEffects(text), expected);
      }),
    );
  });

  test('have one text for statements that do the same, whatever their estimates', () => {
    const one = effect('update', { write: ['orders'] }, { estimatedRows: 3, words: 'a' });
    const two = effect('update', { write: ['orders'] }, { estimatedRows: 4, words: 'b' });
    assert.equal(sharedEffects([one])?.digest, sharedEffects([two])?.digest);
  });

  test('that are nothing we wrote are an error', () => {
    for (const text of [
      '{}',
      '[1]',
      '[{"class":"x","accesses":[{"action":"read","resource":"Nothing x"}]}]',
    ])
      assert.throws(() => readEffects(text), TypeError);
  });
});

test('a subject is kept as its groups and roles, in order, without the person', () => {
  const text = sharedSubject({ ...subject('dba', 'audit'), roles: ['shop/b', 'shop/a'] })?.text;
  assert.equal(text, '{"groups":["audit","dba"],"roles":["shop/a","shop/b"]}');
});

test('a text that is too long is not shared', () => {
  assert.equal(shared('x'.repeat(300_000)), undefined);
});

test('a text is sent once, again only when its write failed, and never without a record', () => {
  const stored = new Stored();
  const text = shared('text');
  assert.ok(text);
  const draft = () => draftOf({ kind: 'statement', body: {}, shared: [text, text] }, 1);
  const first = stored.insert([draft(), draft()], ['v']);
  assert.deepEqual(
    [first.name, first.digests, first.values?.length],
    ['append-shared', [text.digest], 3],
  );
  assert.equal(stored.insert([draft()], []).name, 'append-shared');
  stored.add(first.digests);
  const second = stored.insert([draft()], ['v']);
  assert.deepEqual([second.name, second.digests, second.values], ['append', [], ['v']]);
});
