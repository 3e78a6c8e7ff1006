import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CHAT_RULES } from '../fakes/access-chat.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import {
  type FakeCard,
  type FakeMember,
  type FakeTeams,
  startFakeTeams,
  TENANT,
} from '../fakes/teams.ts';
import { CHANNEL_T, newCard, teamsActor } from '../fakes/teams-actor.ts';
import { TEAM } from '../fakes/teams-kit.ts';

const text = (card: unknown): string => JSON.stringify(card);

describe('roles and summaries in Teams, with the whole gateway', () => {
  let teams: FakeTeams;
  let gateway: TestGateway;
  let actor: ReturnType<typeof teamsActor>;

  before(async () => {
    teams = await startFakeTeams({ withoutToken: true });
    for (const one of Object.values(TEAM)) teams.members.set(one.id, one);
    teams.conversations.add(CHANNEL_T);
    const port = await freePort();
    gateway = await startGateway({
      onlyRules: CHAT_RULES,
      rules: '',
      config: {
        audit: {
          witnesses: [],
          quorum: 0,
          anchors: [],
          export: [],
          heartbeatMs: 60_000,
          serve: true,
        },
        chat: {
          channels: new Map([['db-approvals', { teams: CHANNEL_T }]]),
          teams: {
            localTest: true,
            tenants: [TENANT],
            listen: { host: '127.0.0.1', port },
            serviceUrls: [teams.url],
          },
        },
      },
    });
    actor = teamsActor(teams, () => `http://127.0.0.1:${port}`);
    for (const name of ['engineer', 'approver', 'stranger'] as const)
      await gateway.storeSql.query(
        `insert into countersign.chat_account (platform, workspace, account, person, how, name, workspace_name)
           values ('teams', $1, $2, $3, 'sign-in', $4, '')`,
        [TENANT, TEAM[name].aadObjectId, `${name}@example.com`, name],
      );
    await actor.install(TEAM.approver, CHANNEL_T);
  });
  after(async () => {
    await gateway?.stop();
    await teams?.close();
  });

  /** Their chat with the bot. */
  const chatOf = (who: FakeMember): string => {
    const id = `a:${who.aadObjectId}`;
    teams.installed.add(who.aadObjectId);
    teams.conversations.add(id);
    return id;
  };
  const said = (chat: string, part: string): Promise<FakeCard> =>
    eventually(`“${part}” in Teams`, () =>
      teams.messages.findLast((one) => one.conversation === chat && text(one.card).includes(part)),
    );

  test('ask in a form, approve on the card, and the message follows until it is given back', async () => {
    const chat = chatOf(TEAM.engineer);
    assert.equal((await actor.write(TEAM.engineer, chat, 'access')).status, 200);
    const pick = await said(chat, 'writer');
    const choice = /"title":"shop: writer [^"]*","value":"([^"]+)"/u.exec(text(pick.card))?.[1];
    assert.ok(choice, text(pick.card));
    const terms = newCard(
      await actor.submit(TEAM.engineer, chat, pick.card, { what: choice }, 'card'),
    );
    assert.ok(text(terms).includes('dba agrees'), text(terms));
    await actor.submit(
      TEAM.engineer,
      chat,
      terms,
      { duration: '7200000', reason: 'repair order 17' },
      'card',
    );
    const asked = await said(chat, 'Asked: writer on shop');
    const card = await said(CHANNEL_T, 'asks for the role writer on shop, for 2h');

    // Whoever asked does not decide.
    await actor.press(TEAM.engineer, card, 'Approve…');
    const form = newCard(await actor.press(TEAM.approver, card, 'Approve…'));
    await actor.submit(TEAM.approver, CHANNEL_T, form, { reason: 'fine' }, 'card');
    await eventually('the approval', () => text(asked.card).includes('Approved: writer on shop'));
    const { host, port } = gateway.running.postgres;
    const command = `psql "host=${host} port=${port} user=engineer@example.com dbname=shop"`;
    assert.ok(text(asked.card).includes(JSON.stringify(command).slice(1, -1)), text(asked.card));

    const client = await gateway.open();
    await client.query("update orders set status = 'x' where id = 5");
    await eventually('the start', () => text(asked.card).includes('Live: writer on shop'));
    await actor.press(TEAM.engineer, asked, 'Give back');
    await eventually('the end', () => text(asked.card).includes('Ended: writer on shop'));
    await client.end().catch(() => undefined);
  });

  test('what somebody may not ask for is not offered to them', async () => {
    const chat = chatOf(TEAM.stranger);
    await actor.write(TEAM.stranger, chat, 'access shop writer 2h repair');
    const answer = await eventually('an answer', () =>
      teams.messages.findLast((one) => one.conversation === chat),
    );
    assert.doesNotMatch(text(answer.card), /Asked/u);
    const { rows } = await gateway.storeSql.query(
      "select from countersign.request where person = 'stranger@example.com'",
    );
    assert.equal(rows.length, 0);
  });

  test('a summary comes to who asks for it alone', async () => {
    const chat = chatOf(TEAM.approver);
    // There are pictures once something is found to be drawn.
    const { rows } = await gateway.storeSql.query(
      'select count(*)::int as n from countersign.record',
    );
    await eventually('the search', async () => {
      const { rows: cursor } = await gateway.storeSql.query(
        'select index::int as n from countersign.search_cursor',
      );
      return cursor[0].n >= rows[0].n || undefined;
    });
    await actor.write(TEAM.approver, CHANNEL_T, 'audit summary last 24h');
    const summary = await said(chat, 'data:image/png');
    assert.match(text(summary.card), /statement/iu);
    assert.equal(
      teams.messages.some(
        ({ conversation, card }) => conversation === CHANNEL_T && text(card).includes('data:image'),
      ),
      false,
    );
  });
});
