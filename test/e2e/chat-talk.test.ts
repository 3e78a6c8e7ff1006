import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { outcome, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway.stop());

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

/** The real command in a process of its own. */
async function run(who: Who, use: 'connect' | 'decide', ...argv: string[]) {
  const env = {
    PATH: '/usr/bin:/bin',
    COUNTERSIGN_TOKEN: await gateway.token(who, use),
    COUNTERSIGN_API: gateway.running.api,
  };
  const child = spawn(process.execPath, [MAIN, 'requests', ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, ...said };
}

async function post(who: Who, use: 'connect' | 'decide', path: string, body: object) {
  const response = await fetch(gateway.running.api + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await gateway.token(who, use)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
  });
  const { code } = (await response.json()) as { code?: string };
  return `${response.status} ${code ?? ''}`.trim();
}

test('a question is asked and answered from terminals, and everybody concerned reads both there', async () => {
  const client = await gateway.open();
  const answer = outcome(client.query("update orders set status = 'asked' where id = 42"));
  const { id } = await gateway.pending();
  const short = id.slice(0, 8);
  const asked = await run('approver', 'decide', 'ask', short, 'Which ticket is it?');
  assert.deepEqual([asked.code, asked.out], [0, `${id}: asked\n`]);
  const shown = await run('engineer', 'connect', 'show', short);
  assert.match(shown.out, /question\s+approver@example\.com: Which ticket is it\? \(open, /u);
  const answered = await run('engineer', 'connect', 'answer', short, 'ticket 4711');
  assert.deepEqual([answered.code, answered.out], [0, `${id}: answered\n`]);
  assert.match((await run('approver', 'decide', 'show', short)).out, /answer\s+ticket 4711/u);
  assert.equal((await run('engineer', 'connect', 'remind', short)).code, 0);
  const again = await run('approver', 'decide', 'remind', short);
  assert.match(again.err, /reminded already/u);
  const handed = await run('approver', 'decide', 'hand-over', short, 'oncall');
  assert.deepEqual([handed.code, handed.out], [0, `${id}: handed over\n`]);
  assert.equal((await run('approver', 'decide', 'ask', short)).code, 2);
  await gateway.decide('approve');
  await answer;
  const records = (await gateway.records('request')).filter(({ request }) => request === id);
  assert.deepEqual(
    records.map(({ json, person }) => [json.body.event, person]),
    [
      ['question', 'approver@example.com'],
      ['answer', 'engineer@example.com'],
      ['reminded', 'engineer@example.com'],
      ['handed-over', 'approver@example.com'],
    ],
  );
  await gateway.verify();
  await client.end();
});

test('each door asks for its scope, and who does not see a request learns nothing of it', async () => {
  const client = await gateway.open();
  const answer = outcome(client.query("update orders set status = 'doors' where id = 42"));
  const { id } = await gateway.pending();
  const path = (of: string) => `/requests/${id}/${of}`;
  const text = { text: 'Why?' };
  assert.match(await post('approver', 'connect', path('questions'), text), /^403/u);
  assert.match(await post('approver', 'connect', path('hand-overs'), { group: 'oncall' }), /^403/u);
  // A token that decides cannot speak for who waits.
  assert.match(await post('engineer', 'decide', path('answers'), text), /^403/u);
  assert.equal(await post('stranger', 'decide', path('questions'), text), '404 not-found');
  assert.equal(await post('stranger', 'connect', path('answers'), text), '404 not-found');
  assert.equal(await post('stranger', 'decide', path('reminders'), {}), '404 not-found');
  assert.equal(await post('engineer', 'connect', path('answers'), text), '409 no-question');
  assert.equal(
    await post('approver', 'decide', path('questions'), { text: 'x'.repeat(1_001) }),
    '422 not-valid',
  );
  assert.equal(
    await post('approver', 'decide', path('hand-overs'), { group: 'nobody' }),
    '422 not-valid',
  );
  await gateway.decide('deny');
  await answer;
  assert.equal(await post('approver', 'decide', path('questions'), text), '409 not-open');
  await client.end();
});
