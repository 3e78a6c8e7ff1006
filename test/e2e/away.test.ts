import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { signedIn } from '../fakes/browser.ts';
import { startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway.stop());

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

/** The real command in a process of its own. */
async function away(who: Who, ...argv: string[]) {
  const env = {
    PATH: '/usr/bin:/bin',
    COUNTERSIGN_TOKEN: await gateway.token(who, 'decide'),
    COUNTERSIGN_API: gateway.running.api,
  };
  const child = spawn(process.execPath, [MAIN, 'away', ...argv], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, ...said };
}

/** Who stands in for the approver at this moment, by the store. */
async function standsIn(): Promise<readonly string[]> {
  const { rows } = await gateway.storeSql.query(
    `select substitute from countersign.away where person = 'approver@example.com' and ended_at is null
       and starts_at <= clock_timestamp() and ends_at > clock_timestamp()`,
  );
  return rows.map(({ substitute }) => substitute);
}

test('in the terminal somebody says that they are away, who stands in, and that they are back', async () => {
  const said = await away('approver', '--until', '5d', '--for', 'approver2@example.com');
  assert.equal(said.code, 0, said.err);
  assert.match(said.out, /approver2@example\.com stands in for approver@example\.com from /u);
  assert.deepEqual(await standsIn(), ['approver2@example.com']);
  const listed = await away('approver2');
  assert.match(listed.out, /stands in for approver@example\.com/u, 'who stands in is told, too');
  const id = said.out.split(' ')[0] ?? '';
  const others = await away('stranger', 'end', id);
  assert.notEqual(others.code, 0, 'nobody else ends it');
  assert.deepEqual(await standsIn(), ['approver2@example.com']);
  assert.equal((await away('approver', 'end', id)).code, 0);
  assert.deepEqual(await standsIn(), []);
  assert.equal((await away('approver')).out, 'nobody is away\n');
});

test('who would get rights that they do not share is refused, with words', async () => {
  const refused = await away('approver', '--until', '5d', '--for', 'stranger@example.com');
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /group/u);
  const wrong = await away('approver', '--until', 'soon', '--for', 'approver2@example.com');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /--until soon is not a time/u);
  assert.deepEqual(await standsIn(), []);
});

test('the forms of the account page do the same', async () => {
  const console = gateway.running.console;
  const person = await signedIn(console, await gateway.token('approver', 'decide'));
  await person.get('/account');
  const until = new Date(Date.now() + 86_400_000).toISOString().slice(0, 16);
  const fields = { substitute: 'approver2@example.com', from: '', until };
  assert.equal((await person.post('/account/away', fields, { csrf: 'forged' })).status, 403);
  assert.deepEqual(await standsIn(), []);
  assert.equal((await person.post('/account/away', fields)).status, 303);
  assert.deepEqual(await standsIn(), ['approver2@example.com']);
  const { text } = await person.get('/account');
  assert.match(text, /<strong>approver2@example\.com<\/strong> stands in for you/u);
  const id =
    /name="id" value="([^"]+)"/u.exec(text.slice(text.indexOf('/account/back')))?.[1] ?? '';
  const other = await signedIn(console, await gateway.token('oncall', 'decide'));
  await other.get('/account');
  await other.post('/account/back', { id });
  assert.deepEqual(await standsIn(), ['approver2@example.com'], 'nobody else ends it');
  assert.equal((await person.post('/account/back', { id })).status, 303);
  assert.deepEqual(await standsIn(), []);
});
