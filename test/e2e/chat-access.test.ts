import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import {
  type AccessChat,
  errorsOf,
  nextForm,
  shows,
  startAccessChat,
  userOf,
} from '../fakes/access-chat.ts';
import { eventually, outcome } from '../fakes/gateway.ts';
import { type Mode, MODES } from '../fakes/slack-kit.ts';
import { need, without } from '../fakes/need.ts';

for (const mode of MODES) describe(`access in Slack over ${mode}`, () => suite(mode));

const PSQL = need('psql') ?? 'psql';
/** Within a tenth of its time from its end. */
const SOON = `starts_at = clock_timestamp() - interval '1 hour', ends_at = clock_timestamp() + interval '5 minutes'`;

const write = (client: { query(sql: string): Promise<unknown> }): Promise<string> =>
  client.query("update orders set status = 'x' where id = 5").then(
    () => 'ran',
    (error: any) => error.code,
  );

function suite(mode: Mode): void {
  let world: AccessChat;
  before(async () => {
    world = await startAccessChat(mode);
  });
  after(() => world.stop());
  beforeEach(() => world.clear());

  test(
    'ask in a form, approve on the card, connect with what the message says, be warned, and it ends',
    { skip: without('psql') },
    async () => {
      const { actor, gateway, slack } = world;
      // Ask: first what, then under which terms.
      const pick = await world.openForm('engineer');
      assert.equal(pick.callback_id, 'access-pick');
      assert.ok(shows(pick, 'You have no role for a time now.'));
      const options = pick.blocks.flatMap((block) => (block as any).element?.options ?? []);
      const labels = options.map(({ text }: any) => text.text);
      assert.deepEqual(
        labels.toSorted((a: string, b: string) => a.localeCompare(b)),
        ['shop: ticketed', 'shop: writer'],
      );
      const { value } = options.find(({ text }: any) => text.text === 'shop: writer');
      const terms = nextForm(await actor.fill(userOf('engineer'), pick, { what: value }));
      assert.equal(terms.callback_id, 'access-terms');
      for (const part of ['writer on shop', '4h', 'dba agrees'])
        assert.ok(shows(terms, part), part);
      const empty = await actor
        .fill(userOf('engineer'), terms, { own: '9h', reason: 'OPS-1' })
        .then(errorsOf);
      assert.match(empty['own'] ?? '', /lasts at most 4h/);
      const sent = await actor.fill(userOf('engineer'), terms, {
        duration: '7200000',
        reason: 'repair order 17',
      });
      assert.ok(sent.text.includes('I write to you directly'), sent.text);
      const [request] = await world.requests();
      assert.equal(request.state, 'pending');
      assert.equal(request.card.access.durationMs, 7_200_000);

      // The message to who asked, and the card for who decides.
      const direct = await world.untilDirect('engineer', 'Asked: writer on shop');
      assert.ok(shows(direct, 'dba'));
      assert.ok(shows(direct, 'Withdraw'));
      const card = await world.card(request.id);
      assert.ok(shows(card, 'asks for the role writer on shop, for 2h'));
      const approving = await world.clickForm('approver', 'approve-form', card);
      await actor.fill(userOf('approver'), approving, { reason: 'fine' });

      // One message follows; another one notifies.
      await slack.until(() => shows(direct, 'Approved: writer on shop'));
      assert.ok(shows(direct, 'Approved by approver@example.com (dba)'));
      assert.ok(shows(direct, 'Give back'));
      await eventually('the news', () =>
        slack.messages.some((one) => one !== direct && shows(one, 'Approved: writer on shop')),
      );
      const { host, port } = gateway.running.postgres;
      const command = `psql "host=${host} port=${port} user=engineer@example.com dbname=shop"`;
      assert.ok(shows(direct, command), JSON.stringify(direct.blocks));

      // The command as it stands there, with a real psql.
      const env = { PGPASSWORD: await gateway.token('engineer') };
      const ran = await shell(
        `${command.replace('psql', PSQL)} -X -c "update orders set status = 'y' where id = 5"`,
        env,
      );
      assert.match(ran.out, /UPDATE 1/, ran.err);
      await slack.until(() => shows(direct, 'Live: writer on shop'));

      // Ten percent before its end, a new message.
      const grant = await world.grantOf(request.id);
      await world.pass(grant.id, SOON);
      const warning = await world.untilDirect('engineer', 'Ends soon: writer on shop');
      assert.ok(shows(warning, 'Ask again'));
      await world.pass(grant.id, `ends_at = clock_timestamp() + interval '300 ms'`);
      await slack.until(() => shows(direct, 'Ended: writer on shop'));
      assert.ok(shows(direct, 'its time is over'));
      await slack.until(() => shows(card, 'its time is over'));
      const client = await gateway.open();
      assert.equal(await write(client), '42501');
      await client.end();

      // One click asks for the same again.
      await actor.click(userOf('engineer'), 'access-again', warning);
      const again = await eventually('the new request', async () => {
        const [newest] = await world.requests();
        return newest.id !== request.id && newest;
      });
      assert.equal(again.state, 'pending');
      assert.equal(again.card.reason, 'repair order 17');
      assert.equal(again.card.access.durationMs, 7_200_000);
      assert.deepEqual(slack.refusals, []);
    },
  );

  test('what is extended in time goes on, with the sessions that are open', async () => {
    const { actor, gateway } = world;
    const first = await world.ask('engineer', 'shop writer 2h repair orders');
    const grant = await world.approve(first.id);
    const client = await gateway.open();
    assert.equal(await write(client), 'ran');
    await eventually(
      'its start',
      async () => (await world.grantOf(first.id)).starts_at ?? undefined,
    );
    await world.pass(grant.id, SOON);
    const warning = await world.untilDirect('engineer', 'Ends soon: writer on shop');
    await actor.click(userOf('engineer'), 'access-again', warning);
    const second = await eventually('the new request', async () => {
      const [newest] = await world.requests();
      return newest.id !== first.id && newest;
    });
    await world.approve(second.id);
    await world.pass(grant.id, `ends_at = clock_timestamp() + interval '100 ms'`);
    await eventually(
      'the end of the first',
      async () => (await world.grantOf(first.id)).ended_at ?? undefined,
    );
    // Sessions are looked through once a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal(await write(client), 'ran');
    const asked = (await world.requests()).length;
    await actor.click(userOf('engineer'), 'access-again', warning);
    assert.equal((await world.requests()).length, asked, 'a second click asks for nothing more');
    await gateway.storeSql.query(
      `update countersign.access_grant set ends_at = clock_timestamp() where request = $1`,
      [second.id],
    );
    const over = await eventually('the end of the session', async () => {
      const said = await outcome(client.query('select 1'));
      return said instanceof Error && said;
    });
    assert.ok(over);
  });

  test(
    'revoked on the card: live sessions end at once, and the message says who',
    { skip: without('psql') },
    async () => {
      const { actor, gateway, slack } = world;
      const asked = await world.ask('engineer', 'shop writer 1h repair orders');
      await world.approve(asked.id);
      const direct = await world.untilDirect('engineer', 'Approved: writer on shop');
      const env = { PGPASSWORD: await gateway.token('engineer') };
      const { host, port } = gateway.running.postgres;
      const running = shell(
        `${PSQL} -X "host=${host} port=${port} user=engineer@example.com dbname=shop" -c "select pg_sleep(30)"`,
        env,
      );
      await eventually('the sleep', async () =>
        (await gateway.ranOnTarget()).some((sql) => sql.includes('pg_sleep(30)')),
      );
      await eventually(
        'its start',
        async () => (await world.grantOf(asked.id)).starts_at ?? undefined,
      );
      const card = await world.card(asked.id);
      await slack.until(() => shows(card, 'End access…'));
      const form = await world.clickForm('approver', 'access-end', card);
      const answer = await actor.fill(userOf('approver'), form, { reason: 'incident 7' });
      assert.deepEqual(errorsOf(answer), {}, answer.text);
      const { code, err } = await running;
      assert.notEqual(code, 0);
      assert.match(err, /incident 7|terminating|cancel/i);
      await world.untilDirect('engineer', 'ended by approver@example.com: incident 7');
      await slack.until(() => shows(card, 'ended by approver@example.com: incident 7'));
      await eventually('a new message about it', () =>
        slack.messages.some((one) => shows(one, 'Your access has ended: writer on shop')),
      );
      await slack.until(() => !shows(card, 'End access…'));
      assert.ok(direct);
      assert.deepEqual(slack.refusals, []);
    },
  );

  test('a start of later is told when it comes', async () => {
    const { actor, gateway } = world;
    const form = await world.openForm('engineer', 'shop ticketed');
    const start = new Date(Date.now() + 3_600_000).toISOString();
    const answer = await actor.fill(userOf('engineer'), form, { reason: 'OPS-12', start });
    assert.deepEqual(errorsOf(answer), {});
    const direct = await world.untilDirect('engineer', 'Granted: ticketed on shop');
    assert.ok(shows(direct, 'begins '));
    const [request] = await world.requests();
    const grant = await world.grantOf(request.id);
    await world.pass(grant.id, 'starts_at = clock_timestamp()');
    await world.slack.until(() => shows(direct, 'Live: ticketed on shop'));
    const started = (await gateway.records('grant')).filter(
      ({ json }) => json.body.grant === grant.id && json.body.event === 'started',
    );
    assert.equal(started.length, 1);
  });

  test('App Home shows what one has, asked for, decides and reviews, and follows what is done there', async () => {
    const { actor, slack } = world;
    await world.ask('engineer', 'shop ticketed 30m OPS-7 look at tickets');
    await world.ask('engineer', 'shop writer 1h repair orders');
    await actor.openHome(userOf('engineer'));
    const home = () => slack.homes.get(userOf('engineer')) ?? { blocks: [] };
    await slack.until(() => shows(home(), 'What you have'));
    assert.ok(shows(home(), 'ticketed on shop') && shows(home(), 'What you asked for'));
    assert.ok(shows(home(), 'Break the glass…'));
    await actor.openHome(userOf('approver'));
    await slack.until(() =>
      shows(slack.homes.get(userOf('approver')) ?? { blocks: [] }, 'Waits for your decision'),
    );
    await actor.clickHome(userOf('engineer'), 'access-back');
    await slack.until(() => shows(home(), 'You have no role for a time now.'));
    await actor.clickHome(userOf('engineer'), 'access-withdraw');
    await slack.until(() => !shows(home(), 'What you asked for'));
    const opened = slack.views.length;
    await actor.clickHome(userOf('engineer'), 'access-glass');
    const pick = await slack.until(() => slack.views[opened]);
    const glass = (pick.blocks as any[]).flatMap(({ element }) => element?.options ?? []);
    const { value } = glass.find(({ text }) => text.text === 'shop: admin');
    const terms = nextForm(await actor.fill(userOf('engineer'), pick, { what: value }));
    await actor.fill(userOf('engineer'), terms, {
      reason: 'the nightly import is broken and customers cannot pay since nine',
    });
    await slack.until(() => shows(home(), 'admin on shop'));
    assert.deepEqual(slack.refusals, []);
  });

  test('a shortcut opens the form, and a mention shows the button that does', async () => {
    const { actor, slack } = world;
    const opened = slack.views.length;
    await actor.shortcut(userOf('engineer'), 'access');
    await slack.until(() => slack.views[opened]);
    assert.equal(slack.views[opened]?.callback_id, 'access-pick');
    await actor.mention(userOf('engineer'), 'C0123456', 'I need to write');
    const said = await slack.until(() => slack.ephemerals.at(-1));
    assert.ok(shows(said, 'Ask for access'));
    assert.equal(said.user, userOf('engineer'));
  });

  test('one line asks, helps, lists and ends', async () => {
    assert.match(await world.command('engineer', 'help'), /break-glass/);
    assert.match(
      await world.command('engineer', 'shop ticketed 30m no number'),
      /written as OPS-\[0-9\]\+/,
    );
    const asked = await world.ask('engineer', 'shop ticketed 30m OPS-12: look at tickets');
    assert.equal(asked.card.reason, 'OPS-12: look at tickets');
    assert.equal(asked.card.access.durationMs, 1_800_000);
    assert.match(await world.command('engineer', 'list'), /ticketed on shop/);
    assert.match(await world.command('engineer', 'end shop ticketed'), /Given back/);
    assert.match(await world.command('engineer', 'end shop ticketed'), /You do not have/);
    assert.match(await world.command('engineer', 'shop nothing'), /No rule lets you/);
    assert.match(await world.command('engineer', 'shop'), /Name a role too/);
    assert.match(await world.command('stranger', 'break-glass'), /No rule lets you break/);
  });

  test('after all that, the log verifies', () => world.gateway.verify());
}

async function shell(line: string, env: NodeJS.ProcessEnv) {
  const { execFile } = await import('node:child_process');
  return await new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(
      'sh',
      ['-c', line],
      { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: 30_000 },
      (error, out, err) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err }),
    );
  });
}
