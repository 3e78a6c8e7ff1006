import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway, type TestGateway } from '../fakes/gateway.ts';
import { RawClient, told } from '../fakes/raw-client.ts';

describe('names that are nearly somebody’s', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startGateway();
  });
  after(() => gateway.stop());

  const NEARLY = [
    'engineer@example.com.',
    ' engineer@example.com',
    'engineer@example.com ',
    'engineer@example.com\t',
    'engineer+x@example.com',
    '"engineer"@example.com',
    'engineer@еxample.com',
    'ｅngineer@example.com',
    'engineer@example.com\u200b',
    'engineer\u00ad@example.com',
    'engineer@example。com',
    'engineer',
    '__proto__',
    'constructor',
    "engineer@example.com' or '1'='1",
  ];
  test('no name that only looks like somebody’s is theirs, and all get the answer that a stranger gets', async () => {
    const answers = new Set<string>();
    for (const name of [...NEARLY, 'nobody@example.com']) {
      const client = await RawClient.connect(gateway, 'engineer', undefined, name);
      const text = told(client.greeting);
      assert.match(text, /28P01/u, name);
      answers.add(text.replaceAll(name, '…').replaceAll(/r=.*|authenticationSASLContinue.*/gu, ''));
      client.end();
    }
    assert.equal(answers.size, 1, [...answers].join('\n---\n'));
  });

  test('another spelling of the case is the same person, in every record', async () => {
    const client = await RawClient.connect(gateway, 'engineer', undefined, 'ENGINEER@Example.COM');
    client.end();
    const people = (await gateway.records('session-start')).map(({ person }) => person);
    assert.ok(people.length > 0);
    assert.deepEqual([...new Set(people)], ['engineer@example.com']);
  });
});
