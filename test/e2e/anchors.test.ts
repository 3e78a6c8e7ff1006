import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { compareHeads, storedLog } from '#src/audit/tree/anchor-check.ts';
import { checkpointsInGit } from '#src/audit/tree/anchor-git.ts';
import { gitPlace } from '#src/config/audit.ts';
import type { AnchorConfig } from '#src/config/config.ts';
import { openDatabase } from '#src/store/database.ts';
import { eventually, startGateway, type TestGateway } from '../fakes/gateway.ts';
import { freePort } from '../fakes/postgres.ts';
import { slackConfig, startSlack } from '../fakes/slack-kit.ts';
import type { FakeSlack } from '../fakes/slack.ts';

const run = promisify(execFile);

let folder: string;
let slack: FakeSlack;
let gateway: TestGateway;
const git = (): AnchorConfig & { readonly type: 'git' } => ({
  name: 'auditors',
  type: 'git',
  repository: join(folder, 'anchors.git'),
  branch: 'checkpoints',
  everyMs: 0,
});

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-anchors-'));
  await run('git', ['init', '-q', '--bare', git().repository]);
  slack = await startSlack();
  gateway = await startGateway({
    slack: slackConfig('http', slack, await freePort()),
    config: {
      audit: {
        witnesses: [],
        quorum: 0,
        anchors: [git(), { name: 'room', type: 'chat', channel: 'db-approvals', everyMs: 0 }],
        export: [],
        heartbeatMs: 60_000,
        serve: true,
      },
    },
  });
});
after(async () => {
  await gateway.stop();
  await slack.close();
  await rm(folder, { recursive: true, force: true });
});

const posted = () => slack.messages.filter(({ text }) => text.startsWith('Checkpoint of the'));

/** The note as somebody copies it out of the message. */
function noteIn(blocks: unknown): string {
  const [, text = '""'] =
    /"rich_text_preformatted","elements":\[\{"type":"text","text":("(?:[^"\\]|\\.)*")/.exec(
      JSON.stringify(blocks),
    ) ?? [];
  const note: unknown = JSON.parse(text);
  assert.ok(typeof note === 'string' && note !== '');
  return note;
}

test('a running gateway lays its checkpoints down in git and in chat, where they convict a changed log', async () => {
  await eventually(
    'a commit and a message',
    async () => {
      const { rows } = await gateway.storeSql.query<{ place: string; reference: string }>(
        'select place, reference from countersign.tree_anchor',
      );
      const inRepository = rows.some(
        ({ place, reference }) => place === 'auditors' && /^[0-9a-f]{40}$/.test(reference),
      );
      const chat = rows.some(
        ({ place, reference }) => place === 'room' && /^C0123456\/\d/.test(reference),
      );
      return (inRepository && chat) || undefined;
    },
    30,
  );
  const [message] = posted();
  assert.equal(message?.channel, 'C0123456');
  const pasted = { where: 'pasted', note: noteIn(message?.blocks) };
  const [inGit] = await checkpointsInGit(gitPlace(git(), join(folder, 'auditor'), 'read'));
  assert.ok(inGit);
  const db = openDatabase(
    gateway.config.store.postgres === 'embedded' ? '' : gateway.config.store.postgres.url,
    {
      max: 2,
      onError: () => undefined,
    },
  );
  try {
    const found = [pasted, { where: 'git', note: inGit.note }];
    for (const one of found)
      assert.deepEqual(await compareHeads([one], await storedLog(db), undefined), []);
    const metrics = await fetch(`${gateway.running.console}/metrics`, {
      headers: { authorization: `Bearer ${await gateway.token('security', 'decide')}` },
    });
    assert.match(
      await metrics.text(),
      /countersign_anchor_age_seconds\{anchor="auditors"\} [\d.]+/,
    );
    await gateway.storeSql.query('set session_replication_role = replica');
    await gateway.storeSql.query(
      String.raw`update countersign.tree_tile set hashes = overlay(hashes placing '\x00' from 1) where level = 0 and index = 0`,
    );
    for (const one of found)
      assert.match((await compareHeads([one], await storedLog(db), undefined)).join(), /is a fork/);
  } finally {
    await db.close();
  }
});

test('what Slack refuses is said with what to do, tried again, and each checkpoint is posted once', async () => {
  const texts = posted().map(({ text }) => text);
  assert.equal(new Set(texts).size, texts.length);
  slack.fault('chat.postMessage', { kind: 'error', error: 'msg_too_long' });
  const earlier = posted().length;
  const client = await gateway.open();
  await client.query('select 1');
  const problem = await eventually('the problem', async () => {
    const { rows } = await gateway.storeSql.query<{ problem: string | null }>(
      "select problem from countersign.anchor_turn where place = 'room'",
    );
    return rows[0]?.problem ?? undefined;
  });
  assert.equal(
    problem,
    'chat refused the checkpoint (msg_too_long): see that the bot is in the channel db-approvals',
  );
  await eventually('the next post', () => posted().length > earlier || undefined, 20);
});
