import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ocsfEvents, type OcsfEvent } from '#src/audit/export/ocsf.ts';
import { asked, CASES, product, record, statement } from './ocsf-cases.ts';

type Schema = { readonly classes: Readonly<Record<string, object>>; readonly $defs: object };
const schema = JSON.parse(
  await readFile(new URL('../../fixtures/ocsf-1.8.0.json', import.meta.url), 'utf8'),
) as Schema;
const ajv = new Ajv2020({ strict: false, allErrors: true });
const validators = new Map(
  Object.entries(schema.classes).map(([uid, one]) => [
    Number(uid),
    ajv.compile({ ...one, $defs: schema.$defs }),
  ]),
);

/** What is wrong with an event by the published schema; unknown attributes are wrong, too. */
function problems(event: OcsfEvent): readonly string[] {
  const validate = validators.get(Number(event['class_uid']));
  assert.ok(validate, 'an event of another class');
  // `unmapped` is an object of any kind.
  validate({ ...event, unmapped: undefined });
  return (validate.errors ?? [])
    .filter(({ params }) => params['additionalProperty'] !== 'unmapped')
    .map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
}

describe('events of OCSF 1.8', () => {
  for (const [from, type, more] of CASES)
    test(`${from.kind} ${from.verdict ?? ''} becomes a valid event of type ${type}`, () => {
      const [event, ...others] = ocsfEvents(from, product);
      assert.ok(event);
      assert.deepEqual(others, []);
      assert.equal(event['type_uid'], type);
      assert.deepEqual(problems(event), []);
      for (const [name, value] of Object.entries(more)) assert.deepEqual(event[name], value, name);
    });

  test('where values went out masked, a finding says so', () => {
    const body = { ...asked, masked: { 'shop/public/customers/ssn': 'null' } };
    const events = ocsfEvents(
      record('statement', { ...statement, verdict: 'allow', body }),
      product,
    );
    assert.deepEqual(
      events.map((one) => one['class_uid']),
      [6005, 2006],
    );
    assert.deepEqual(events.flatMap(problems), []);
  });

  test('what is no event is found by the schema', () => {
    const [event] = ocsfEvents(CASES[0]![0], product);
    assert.notDeepEqual(problems({ ...event, activity_id: 77, invented: 1 }), []);
  });
});
