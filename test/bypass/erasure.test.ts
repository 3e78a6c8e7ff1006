import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { askErasure, confirmErasure, erase, planErasure } from '#src/audit/erasure/erase.ts';
import { openHolds } from '#src/audit/erasure/holds.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { writerKey } from '#src/config/audit.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { type Eraser, openEraser, placesOf } from '../fakes/erasure.ts';
import { eventually, outcome, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';

const ANN = 'engineer@example.com';
const canary = (place: string): string => `canary_${place}_${randomBytes(4).toString('hex')}`;
const textOf = (slack: FakeSlack): string =>
  JSON.stringify(slack.messages.map(({ blocks, text }) => [blocks, text]));
const REASON = 'ticket 12: asked for by whom it is about';

describe('a person is erased from the whole product', () => {
  let gateway: TestGateway;
  let slack: FakeSlack;
  let eraser: Eraser;
  /** In what was typed, said and named: nobody else's. */
  const told = {
    alias: canary('alias'),
    application: canary('application'),
    reason: canary('reason'),
    decided: canary('decided'),
    answered: canary('answered'),
    label: canary('label'),
    held: canary('held'),
  };

  before(async () => {
    slack = await startSlack();
    for (const who of ['engineer', 'approver'])
      slack.users.set(`U${who.toUpperCase()}`, { email: `${who}@example.com` });
    gateway = await startGateway({ slack: slackConfig('http', slack, await freePort()) });
    const { postgres } = gateway.config.store;
    eraser = await openEraser(postgres === 'embedded' ? '' : postgres.url, {
      keys: writerKey(gateway.config),
    });
    await work();
  });
  after(async () => {
    await eraser.close();
    await gateway.stop();
    await slack.close();
  });

  /** Ann reads, asks for a change that is approved, and looks at her records; others decide and look at hers. */
  async function work(): Promise<void> {
    await gateway.running.tokens.issue(ANN, ['connect', 'read'], told.label, 3_600_000);
    const client = await gateway.open('engineer', { application_name: told.application });
    await client.query(`set countersign.reason = '${told.reason}'`);
    await client.query(`select id as ${told.alias} from customers`);
    const answer = outcome(
      client.query(`update orders set status = 'x' where id = 1 returning id as ${told.held}`),
    );
    const { id } = await gateway.pending();
    await eventually('the posted card', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.post where request = $1 and ts is not null',
        [id],
      );
      return rowCount === 1;
    });
    await gateway.api('approver', `/requests/${id}/questions`, { text: `Is ${ANN} sure?` });
    const asked = await fetch(`${gateway.running.api}/requests/${id}/answers`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await gateway.token('engineer')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ text: told.answered }),
    });
    assert.equal(asked.status, 200);
    await gateway.api('engineer', `/requests/${id}/reminders`, {});
    await gateway.decide('approve', 'approver', told.decided);
    await answer;
    await client.end();
    await gateway.api('security', `/records?q=${encodeURIComponent(`person:${ANN}`)}`);
    const other = await gateway.open('approver');
    await other.query('select 1 as of_somebody_else');
    // The same is asked by another: who decided before stands on that card.
    const again = await gateway.open('approver2');
    const same = outcome(again.query(`update orders set status = 'y' where id = 1`));
    await gateway.decide('deny', 'approver', `as ${ANN} said`);
    await same;
    await Promise.all([other.end(), again.end()]);
  }

  const ended = () =>
    eventually('the ends of all sessions', async () => {
      const { rowCount } = await gateway.storeSql.query(
        'select from countersign.session where ended_at is null',
      );
      return rowCount === 0;
    });

  test('not while they can still come, nor under their hands', async () => {
    const client = await gateway.open();
    await assert.rejects(
      erase(eraser, { filter: { person: ANN }, reason: REASON, by: 'security@example.com' }),
      (error: Error) => {
        assert.match(error.message, /a session that goes on, a live token/);
        return true;
      },
    );
    const configured = { ...eraser, configured: [ANN] };
    await assert.rejects(
      planErasure(configured, { filter: { person: ANN } }),
      /an entry in the configuration/,
    );
    const { rows } = await gateway.storeSql.query(
      `select session from countersign.record_body where kind = 'session-start' order by at desc limit 1`,
    );
    await assert.rejects(
      erase(eraser, {
        filter: { session: rows[0].session },
        reason: REASON,
        by: 'security@example.com',
      }),
      /its session goes on/,
    );
    await client.end();
    await ended();
  });

  test('not without a reason, not with one that names them, and nobody themselves', async () => {
    const filter = { person: ANN };
    for (const [reason, by, expected] of [
      ['', 'security@example.com', /a reason is needed/],
      [`for ${ANN.toUpperCase()}`, 'security@example.com', /leave the address out/],
      [REASON, ANN, /nobody erases their own tracks/],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(erase(eraser, { filter, reason, by }), expected);
    await assert.rejects(erase(eraser, { filter: {}, reason: REASON }), /would take in everything/);
    const { rowCount } = await gateway.storeSql.query('select from countersign.erasure');
    assert.equal(rowCount, 0);
  });

  test('not while a legal hold keeps it, and the attempt is on record', async () => {
    await gateway.storeSql.query(
      'update countersign.token set revoked_at = clock_timestamp() where person = $1',
      [ANN],
    );
    const holds = openHolds(eraser.owner, eraser.audit);
    await holds.place('case-7', { target: 'sh*p' }, 'a case at court', 'security@example.com');
    await assert.rejects(
      erase(eraser, { filter: { person: ANN }, reason: REASON, by: 'security@example.com' }),
      /legal hold is in the way: case-7/,
    );
    const [refused] = (await gateway.records('erasure')).map(({ json }) => json.body);
    assert.deepEqual([refused.event, refused.holds], ['refused', 'case-7']);
    await holds.release('case-7', 'the case is closed', 'approver@example.com');
    await holds.place('case-8', { person: ANN }, 'another case', 'security@example.com');
    await assert.rejects(
      erase(eraser, { filter: { person: ANN }, reason: REASON, by: 'security@example.com' }),
      /case-8/,
    );
    await assert.rejects(holds.release('case-8', 'I say so', ANN), /released by somebody else/);
    await holds.release('case-8', 'the case is closed', 'security@example.com');
  });

  test('with a second person where that is asked for', async () => {
    const asked = await askErasure(eraser, {
      filter: { person: ANN },
      reason: REASON,
      by: 'security@example.com',
    });
    await assert.rejects(
      confirmErasure(eraser, asked.erasure, 'security@example.com'),
      /not the one who asked/,
    );
    await assert.rejects(confirmErasure(eraser, asked.erasure, ANN), /their own tracks/);
    assert.ok((await placesOf(gateway.storeSql, [told.alias])).length > 0);
    const planned = await planErasure(eraser, { filter: { person: ANN } });
    const done = await confirmErasure(eraser, asked.erasure, 'oncall@example.com');
    assert.deepEqual([done.state, done.records], ['done', planned.records]);
    assert.ok(done.records > 10, `${done.records}`);
    await assert.rejects(
      confirmErasure(eraser, asked.erasure, 'oncall@example.com'),
      /waits for a second/,
    );
  });

  test('nothing of them is in any table', async () => {
    assert.deepEqual(await placesOf(gateway.storeSql, [ANN, ...Object.values(told)]), []);
    assert.ok((await placesOf(gateway.storeSql, ['of_somebody_else'])).length > 0, 'others stay');
  });

  test('the posted card is replaced', async () => {
    await eventually(
      'a card without them',
      () => !textOf(slack).includes(told.held) && !textOf(slack).includes(ANN),
      20,
    );
    assert.match(textOf(slack), /\(erased\)/);
  });

  test('the log verifies, and says what was erased', async () => {
    const found = await verifyLog(eraser.owner);
    assert.deepEqual(found.erasures, []);
    assert.equal(found.ok, true, JSON.stringify(found));
    assert.ok(found.erased > 10);
    assert.deepEqual((await verifyTree(eraser.owner)).problems, []);
    const [end] = (await gateway.records('erasure')).filter(
      ({ json }) => json.body.event === 'end',
    );
    assert.equal(end.person, 'security@example.com');
    assert.equal(end.json.body.confirmedBy, 'oncall@example.com');
    assert.equal(end.json.body.covers.records, found.erased);
    assert.doesNotMatch(end.body, /engineer/);
  });

  test('asked for again it finds nothing more', async () => {
    const again = await erase(eraser, {
      filter: { person: ANN },
      reason: REASON,
      by: 'security@example.com',
    });
    assert.deepEqual([again.state, again.records], ['done', 0]);
    assert.equal((await verifyLog(eraser.owner)).ok, true);
  });
});
