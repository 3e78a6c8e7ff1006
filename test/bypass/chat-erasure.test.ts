import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { erase } from '#src/audit/erasure/erase.ts';
import { writerKey } from '#src/config/audit.ts';
import { type Eraser, openEraser, placesOf } from '../fakes/erasure.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { CHANNEL, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import { type FakeSlack, TEAM } from '../fakes/slack.ts';

const ANN = 'engineer@example.com';
const canary = (place: string): string => `canary_${place}_${randomBytes(4).toString('hex')}`;

const post = (text: string): string =>
  JSON.stringify({ summary: 'news', parts: [{ kind: 'text', line: [text] }] });

describe('a person is erased from chat, and from what chat keeps', () => {
  let gateway: TestGateway;
  let slack: FakeSlack;
  let eraser: Eraser;
  /** In texts about her alone. */
  const told = {
    direct: canary('direct'),
    about: canary('about'),
    never: canary('never'),
    question: canary('question'),
    answer: canary('answer'),
    name: canary('name'),
    form: canary('form'),
  };
  const other = canary('other');
  let request = '';

  before(async () => {
    slack = await startSlack();
    slack.users.set('UANN', { email: ANN });
    gateway = await startGateway({ slack: slackConfig('http', slack, await freePort()) });
    const { postgres } = gateway.config.store;
    eraser = await openEraser(postgres === 'embedded' ? '' : postgres.url, {
      keys: writerKey(gateway.config),
    });
    const client = await gateway.open();
    const answer = outcome(client.query('update orders set status = $$x$$ where id = 1'));
    request = (await gateway.pending()).id;
    await gateway.decide('deny', 'approver', 'no');
    await answer;
    await client.end();
    await remember();
  });
  after(async () => {
    await eraser?.close();
    await gateway?.stop();
    await slack?.close();
  });

  const say = (key: string, place: string, text: string) =>
    gateway.storeSql.query(
      `insert into countersign.chat_message (key, platform, place, post) values ($1, 'slack', $2, $3)`,
      [key, place, post(text)],
    );
  const all = (): string => JSON.stringify(slack.messages);

  /** What the desks of chat write, and what the bot then posts. */
  async function remember(): Promise<void> {
    const sql = gateway.storeSql;
    const record = '00000000-0000-4000-8000-000000000001';
    await sql.query(
      `insert into countersign.chat_account (platform, workspace, account, person, how, name, workspace_name)
       values ('slack', $1, 'UANN', $2, 'sign-in', $3, 'Acme'), ('teams', 'tenant', 'oid', $2, 'sign-in', $3, 'Acme')`,
      [TEAM, ANN, told.name],
    );
    await sql.query(
      `insert into countersign.chat_link (id, code_sha256, platform, workspace, account, name, workspace_name, expires_at)
       values ($1, 'x', 'slack', $2, 'UANN', $3, 'Acme', clock_timestamp())`,
      [record, TEAM, told.name],
    );
    await sql.query(
      `insert into countersign.question (id, request, text, person, via, record, answer, answered_by)
       values ($1, $2, $3, 'approver@example.com', 'slack', $1, $4, $5)`,
      [record, request, told.question, told.answer, ANN],
    );
    await sql.query(
      `insert into countersign.hand_over values ($1, 'dba', $2, 'slack', false, $3)`,
      [request, ANN, record],
    );
    await sql.query(
      `insert into countersign.reminder (id, request, person, via, groups, record) values ($1, $2, $3, 'slack', '{}', $1)`,
      [record, request, ANN],
    );
    await sql.query(
      `insert into countersign.away (person, substitute, starts_at, ends_at, ended_by)
       values ($1, 'a@example.com', now(), now() + interval '1 day', null),
              ('a@example.com', 'b@example.com', now(), now() + interval '1 day', $1)`,
      [ANN],
    );
    await sql.query(
      `insert into countersign.chat_search (person, query, cursor) values ($1, 'x', ''), ('a@example.com', $2, '')`,
      [ANN, `person:${ANN}`],
    );
    await sql.query(
      `insert into countersign.incident (id, name, target, note, platform, channel, started_by, first_index, next_index, done_at)
       values ($1, 'INC-1', 'shop', $2, 'slack', $3, $4, 0, 0, now())`,
      [record, `found by ${ANN}`, CHANNEL, ANN],
    );
    await sql.query(`insert into countersign.teams_person values ('tenant', 'oid', 'c', $1)`, [
      told.name,
    ]);
    await sql.query(
      `insert into countersign.teams_place (tenant, conversation, person, service_url, bot) values ('tenant', $1, 'oid', '', '')`,
      [told.name],
    );
    await sql.query(
      `insert into countersign.teams_form (tenant, person, form, place) values ('tenant', 'oid', $1, '{}')`,
      [JSON.stringify(told.form)],
    );
    await say('note:1', `user:${TEAM}/UANN`, told.direct);
    await say(`question:${record}`, CHANNEL, told.about);
    await say('note:2', CHANNEL, `${ANN} did something`);
    await say('note:3', CHANNEL, other);
    await eventually('the posts', () =>
      [told.direct, told.about, ANN, other].every((text) => all().includes(text)),
    );
    await say('note:4', 'CNOWHERE', `${told.never} of ${ANN}`);
  }

  test('nothing of her stays in the store, and what others said does', async () => {
    await gateway.storeSql.query('update countersign.token set revoked_at = clock_timestamp()');
    await eventually('the ends of all sessions', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.session where ended_at is null',
      );
      return rowCount === 0;
    });
    await erase(eraser, {
      filter: { person: ANN },
      reason: 'ticket 12',
      by: 'security@example.com',
    });
    assert.deepEqual(await placesOf(gateway.storeSql, [ANN, ...Object.values(told)]), []);
    assert.deepEqual(await placesOf(gateway.storeSql, [other]), [`chat_message.post: ${other}`]);
  });

  test('what was posted is edited, and what was not posted never is', async () => {
    await eventually(
      'messages without her',
      () => ![told.direct, told.about, ANN].some((text) => all().includes(text)),
    );
    assert.equal(all().split('This message was erased.').length - 1 >= 3, true);
    assert.ok(all().includes(other));
    const { rows } = await gateway.storeSql.query(
      `select given_up from countersign.chat_message where key = 'note:4'`,
    );
    assert.deepEqual(rows, [{ given_up: 'erased' }]);
  });
});
