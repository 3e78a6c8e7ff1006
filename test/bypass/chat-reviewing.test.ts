import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, outcome } from '../fakes/gateway.ts';
import {
  CHANNEL,
  recordsIn,
  type ReviewingWorld,
  startReviewingWorld,
  userOf,
  wordsOf,
} from '../fakes/reviewing-world.ts';

/** Somebody in chat who wants to see more than they may, or to have others see it. */
let world: ReviewingWorld;
let record: { id: string; request: string; session: string };
before(async () => {
  world = await startReviewingWorld();
  await world.ran(
    'engineer',
    ...Array.from({ length: 12 }, (_, i) => `select ${i} as secret_${i}`),
  );
  // Refused, and so all that there is of them.
  await outcome(world.ran('stranger', 'select 1'));
  const held = world.ran('engineer', "update orders set status = 'refunded' where id = 1");
  await world.gateway.decide('approve');
  await held;
  await world.searched();
  const { body } = await world.gateway.api('oncall', '/records?q=verdict:held');
  [record] = body.records;
});
after(() => world.stop());

const peopleIn = async (ids: readonly string[]): Promise<readonly unknown[]> => {
  const { rows } = await world.gateway.storeSql.query(
    'select distinct person from countersign.record_body where id = any($1)',
    [ids],
  );
  return rows.map(({ person }) => person);
};
const recordsOf = async (looked: string): Promise<number> =>
  (await world.gateway.records('look')).filter(({ json }) => json.body.looked === looked).length;

describe('whoever may read only their own records', () => {
  const tricks = [
    'person:engineer',
    'person:*',
    '-person:approver',
    'person:approver,engineer',
    'target:shop verdict:allow,held',
    'secret_1',
    '" person:engineer',
    '"person:engineer" target:shop',
    `person:engineer' or '1'='1`,
    'person:engineer\u0000',
    'person:engineer kind:statement after:2020-01-01 limit:500',
    ') or true --',
  ];
  for (const trick of tricks)
    test(`finds no act of others with ${JSON.stringify(trick)}`, async () => {
      const found = await world.audit('stranger', trick);
      assert.deepEqual(
        (await peopleIn(recordsIn(found))).filter((who) => who !== 'stranger@example.com'),
        [],
        wordsOf(found),
      );
      assert.doesNotMatch(wordsOf(found), /engineer@example\.com on/);
    });

  test('is summed up nothing but their own', async () => {
    const shown = await world.audit('engineer', 'summary last 24h target:*');
    assert.match(wordsOf(shown), /What you did/);
    const said = wordsOf(await world.audit('stranger', 'summary last 24h target:shop'));
    assert.match(said, /What you did/);
    assert.doesNotMatch(said, /engineer|refunded|approver/);
  });

  test('has no page of somebody else, however its button is pressed', async () => {
    const shown = await world.audit('oncall', 'person:engineer kind:statement');
    const button = shown.blocks
      .flatMap(({ elements = [] }) => elements)
      .find(({ action_id }) => action_id === 'audit-next');
    assert.match(button?.value ?? '', /^[0-9a-f-]{36}$/, 'an id, and nothing of the search');
    for (const who of ['engineer', 'stranger', 'security']) {
      const stolen = await world.click(who, 'audit-next', shown);
      assert.match(stolen.text, /This list is over/, who);
      assert.deepEqual(recordsIn(stolen), []);
    }
    for (const forged of [
      'person:engineer',
      "' or true --",
      '00000000-0000-4000-8000-000000000000',
      `${button?.value}\u0000`,
      'o1700000000000.1',
    ]) {
      const answer = await world.click('oncall', 'audit-next', shown, forged);
      assert.match(answer.text, /This list is over/, forged);
    }
    assert.equal(recordsIn(await world.click('oncall', 'audit-next', shown)).length > 0, true);
    const { storeSql } = world.gateway;
    await storeSql.query(`update countersign.chat_search set at = at - interval '61 minutes'`);
    const late = await world.click('oncall', 'audit-next', shown);
    assert.match(late.text, /This list is over/);
    await eventually(
      'that it is forgotten',
      async () => (await storeSql.query('select from countersign.chat_search')).rowCount === 0,
      20,
    );
  });

  test('starts and stops no incident, and sees none', async () => {
    const earlier = await recordsOf('incident-started');
    for (const who of ['engineer', 'stranger'])
      assert.match(
        (await world.audit(who, 'incident start INC-1 target:shop')).text,
        /Only members of dba, security and oncall start, stop and see incidents/,
      );
    for (const text of ['incident start INC-1 target:nothing', 'incident list'])
      for (const channel of [CHANNEL, 'C0ELSEWHERE'])
        assert.doesNotMatch(
          wordsOf(await world.audit('stranger', text, channel)),
          /shop|db-approvals/,
          'nor is told which targets and channels there are',
        );
    assert.match((await world.audit('oncall', 'incident start INC-2 target:shop')).text, /is open/);
    assert.match((await world.audit('engineer', 'incident stop INC-2')).text, /Only members of/);
    assert.match((await world.audit('engineer', 'incident list')).text, /Only members of/);
    assert.equal(await recordsOf('incident-started'), earlier + 1);
    assert.equal(await recordsOf('incident-stopped'), 0);
    assert.match((await world.audit('oncall', 'incident stop INC-2')).text, /is stopped/);
  });
});

describe('an incident', () => {
  test('is not told where nobody has said who may read it', async () => {
    for (const channel of ['C0ELSEWHERE', 'DONCALL'])
      assert.match(
        (await world.audit('oncall', 'incident start INC-3 target:shop', channel)).text,
        /in one of the configuration: db-approvals/,
        channel,
      );
    const { rowCount } = await world.gateway.storeSql.query(
      "select from countersign.incident where name = 'INC-3'",
    );
    assert.equal(rowCount, 0);
  });

  test('has a pattern that is one, and a name that is one', async () => {
    for (const text of [
      'incident start INC-4 target:%',
      'incident start INC-4 target:nothing-*',
      'incident start <!channel> target:shop',
      'incident start INC-4',
      'incident start INC-4 shop',
      "incident start INC-4 target:shop'--",
      'incident start INC-4 target:(a+)+$',
    ]) {
      const said = wordsOf(await world.audit('oncall', text));
      assert.match(said, /cannot be read|No target fits/, text);
    }
    const { rowCount } = await world.gateway.storeSql.query(
      "select from countersign.incident where name = 'INC-4'",
    );
    assert.equal(rowCount, 0);
  });
});

/** What stands under a link, when it is in a message beside one that is good. */
async function under(url: string): Promise<string> {
  const good = `${world.gateway.config.publicUrl}/records/${record.id}`;
  const shared = await world.actor.share(userOf('engineer'), CHANNEL, [url, good]);
  const unfurls = await world.slack.until(() => shared.unfurls());
  assert.ok(unfurls[good], 'the good one beside it is shown');
  return JSON.stringify(unfurls[url] ?? null);
}

describe('a link', () => {
  test('to another host, with a user in it, or to another page shows nothing', async () => {
    const { publicUrl } = world.gateway.config;
    const { host, port } = new URL(publicUrl);
    const { id, request } = record;
    for (const url of [
      `http://evil.example/records/${id}`,
      `http://${host}@evil.example/records/${id}`,
      `http://engineer:pw@${host}/records/${id}`,
      `https://${host}/records/${id}`,
      `http://127.0.0.1.evil.example:${port}/records/${id}`,
      `http://127.0.0.1:1/records/${id}`,
      `${publicUrl}/api/v1/records/${id}`,
      `${publicUrl}/records/${id}/proof`,
      `${publicUrl}/records/${id}%2f..`,
      `${publicUrl}//records/${id}`,
      `${publicUrl}/records/${id.toUpperCase()}x`,
      `${publicUrl}/records/..%2frequests/${request}`,
      `${publicUrl}/records?q=${id}`,
      `${publicUrl}/records/00000000-0000-4000-8000-000000000000`,
      `${publicUrl}/requests/${id}`,
    ])
      assert.equal(await under(url), 'null', url);
  });

  test('leads where it shows, however its path is written', async () => {
    const { publicUrl } = world.gateway.config;
    const said = await under(`${publicUrl}/requests/../records/./${record.id}`);
    assert.match(said, new RegExp(`Record ${record.id}`));
  });

  test('tells the channel nothing of who, where or what', async () => {
    const { publicUrl } = world.gateway.config;
    for (const path of [
      `records/${record.id}`,
      `requests/${record.request}`,
      `sessions/${record.session}`,
    ])
      assert.doesNotMatch(
        await under(`${publicUrl}/${path}`),
        /engineer|approver|shop|orders|refunded|update/,
        path,
      );
  });
});
