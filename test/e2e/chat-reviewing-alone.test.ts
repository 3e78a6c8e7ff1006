import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openLogger } from '#src/config/logger.ts';
import { type RunningPart, serveBot } from '#gateway/main.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { recordsIn } from '../fakes/reviewing-world.ts';
import { actorOf, slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';

let gateway: TestGateway;
let slack: FakeSlack;
let bot: RunningPart;
let actor: ReturnType<typeof actorOf>;
before(async () => {
  slack = await startSlack();
  slack.users.set('UONCALL', { email: 'oncall@example.com' });
  const audit = {
    witnesses: [],
    quorum: 0,
    anchors: [],
    export: [],
    heartbeatMs: 60_000,
    serve: true,
  };
  gateway = await startGateway({ config: { audit } });
  const port = await freePort();
  const chat = { ...gateway.config.chat, slack: slackConfig('http', slack, port) };
  bot = await serveBot(
    { ...gateway.config, chat },
    { log: openLogger('error', { write: () => undefined }) },
  );
  actor = actorOf('http', slack, () => `http://127.0.0.1:${port}`);
});
after(async () => {
  await bot.stop();
  await gateway.stop();
  await slack.close();
});

test('a bot that runs alone finds what a gateway has recorded, and tells an incident', async () => {
  const engineer = await gateway.open();
  await engineer.query('select 1');
  const channel = 'C0123456';
  const started = await actor.command('UONCALL', '/audit', 'incident start INC-7 target:shop', {
    channel,
  });
  assert.match(started.text, /INC-7 is open/);
  await engineer.query('select 2');
  await eventually('what was found', async () => {
    const { text } = await actor.command('UONCALL', '/audit', 'kind:statement', { channel });
    const found = text === '' ? [] : recordsIn(JSON.parse(text));
    return found.length >= 2 || undefined;
  });
  const root = await slack.until(() =>
    slack.messages.find(({ text }) => text.startsWith('Incident INC-7')),
  );
  await slack.until(() =>
    slack.messages.find((one) => one.thread === root.ts && recordsIn(one).length > 0),
  );
  const [look] = (await gateway.records('look')).filter(({ json }) => json.body.via === 'slack');
  assert.equal(look.person, 'oncall@example.com');
});
