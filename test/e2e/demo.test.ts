import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { without } from '../fakes/need.ts';
import type { Program } from '../fakes/terminal.ts';
import { type DemoKit, freeBase, isFree, startDemoKit } from './demo-kit.ts';

// One demo goes through its life here, test after test: first start, use, stop, start, kill, start, fresh start.
const STARTS_MS = 120_000;

let kit: DemoKit;
let base: number;
let demo: Program;
let people: Record<string, { email: string; groups: string[]; token: string; decideToken: string }>;
before(async () => {
  kit = await startDemoKit();
  base = await freeBase();
});
after(() => kit.stop());

const facts = async () => JSON.parse(await readFile(kit.facts, 'utf8'));

async function start(...args: string[]): Promise<string> {
  demo = kit.launch('--port-base', String(base), ...args);
  await demo.prints(/ready\n\n[^]*\n\n/, STARTS_MS);
  return demo.said.out;
}

async function paste(line: string) {
  const program = kit.paste(line);
  const code = await program.done;
  return { code, ...program.said };
}

const statusOf42 = async () =>
  JSON.parse(
    (await paste('npx countersign query shop --json "select status from orders where id = 42"'))
      .out,
  )[0].status;

let tour: string[];

test('the first start shows its progress, and ends with a tour of at most ten lines', async () => {
  const said = await start();
  assert.match(
    said,
    /starting the databases[^]*creating the store[^]*filling shop[^]*starting the gateway/,
  );
  tour =
    said
      .split(/ready\n\n/)[1]
      ?.trim()
      .split('\n') ?? [];
  assert.ok(tour.length >= 3 && tour.length <= 10, tour.join('\n'));
  assert.ok(tour[0]?.includes(`http://127.0.0.1:${base}`));
  assert.equal(demo.said.err, '');
});

test('demo.json is private and has what scripts may count on', async () => {
  assert.equal((await stat(kit.facts)).mode & 0o777, 0o600);
  const { console, api, postgres, issuer, people: known } = await facts();
  assert.equal(console, `http://127.0.0.1:${base}`);
  assert.equal(api, `${console}/api/v1`);
  const provider = await fetch(`${issuer}/.well-known/openid-configuration`);
  assert.equal(((await provider.json()) as { issuer: string }).issuer, issuer);
  assert.deepEqual(postgres, { host: '127.0.0.1', port: base + 1, database: 'shop' });
  people = known;
  assert.deepEqual(Object.keys(people).toSorted(), [
    'approver',
    'approver2',
    'engineer',
    'oncall',
    'security',
    'stranger',
  ]);
  for (const { token, decideToken } of Object.values(people)) {
    assert.ok(token !== decideToken && token.length > 40);
    assert.ok(!demo.said.out.includes(token) && !demo.said.out.includes(decideToken));
  }
  const pending = await fetch(`${api}/requests?state=pending`, {
    headers: { authorization: `Bearer ${people['approver']?.decideToken}` },
  });
  assert.equal(pending.status, 200);
});

test("the tour's own psql lines work as pasted", { skip: without('psql') }, async () => {
  const functions = tour.filter((line) => /^\w+\(\)/.test(line));
  const [read, write] = tour.filter((line) => line.startsWith('shop '));
  const lines = (...more: (string | undefined)[]) => [...functions, ...more].join('\n');
  assert.match((await paste(lines(read))).out, /m\*\*\*@e\*\*\*\.org[^]*5 rows/);
  assert.match((await paste(lines(read?.replace('engineer', 'security')))).out, /@example\.org/);
  assert.match(
    (await paste(lines(read?.replace('engineer', 'stranger')))).err,
    /no rule permits connect/,
  );
  const update = kit.paste(lines(write));
  await update.prints('NOTICE');
  const list = tour.find((line) => line.startsWith('npx countersign requests')) ?? '';
  const [id] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec((await paste(list)).out) ?? [];
  const approve = tour.find((line) => line.includes('approve ID'))?.replace('ID', id ?? 'none');
  const approved = await paste(`${approve} --yes`);
  assert.equal(approved.code, 0, approved.err);
  assert.equal(await update.done, 0);
  assert.equal(update.said.out, 'UPDATE 1\n');
});

test("the README's tour works without psql, as pasted", async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const block = /## The tour[^]*?```sh\n([^]*?)```/.exec(readme)?.[1] ?? '';
  const commands = block.split('\n').filter((line) => line.startsWith('npx '));
  assert.ok(commands.length >= 7);
  let update: Program | undefined;
  for (const command of commands) {
    if (command.includes('update orders')) {
      update = kit.paste(command);
      await update.prints('held by rule');
    } else if (command.includes('approve ID')) {
      const list = await paste('npx countersign requests --json');
      const approved = await paste(`${command.replace('ID', JSON.parse(list.out)[0].id)} --yes`);
      assert.equal(approved.code, 0, approved.err);
      assert.equal(await update?.done, 0);
      assert.equal(update?.said.out, 'UPDATE 1\n');
    } else {
      const { code, err } = await paste(command);
      assert.equal(code, /delete from|stranger/.test(command) ? 3 : 0, `${command}\n${err}`);
    }
  }
});

test('policy check, doctor and token find the demo by themselves', async () => {
  const check = await paste('npx countersign policy check');
  assert.match(check.out + check.err, /no problems/);
  const doctor = await paste('npx countersign doctor');
  assert.equal(doctor.code, 0, doctor.out);
  const issued = await paste(
    'npx countersign token issue engineer@example.com --scope connect --for 1h',
  );
  assert.equal(issued.code, 0, issued.err);
});

test('a second demo on the same ports is told so in a sentence, and the first goes on', async () => {
  const second = kit.launch('--port-base', String(base));
  assert.equal(await second.done, 1);
  assert.match(second.said.err, /^countersign: .+\n/);
  assert.doesNotMatch(second.said.err, /at .*\.ts:\d/);
  assert.equal(await statusOf42(), 'refunded');
});

test('SIGTERM withdraws what is held and stops everything within ten seconds', async () => {
  const held = kit.paste('npx countersign query shop "delete from orders where id = 43"');
  await held.prints('held by rule');
  const asked = performance.now();
  demo.child.kill('SIGTERM');
  assert.equal(await demo.done, 0);
  assert.ok(performance.now() - asked < 10_000);
  assert.notEqual(await held.done, 0);
  assert.match(held.said.err, /stopping|nothing was run/);
  await nothingLeft();
});

test('a second start finds its data, and the tokens and changed rules stay', async () => {
  const rules = join(kit.folder, '.countersign', 'demo', 'policies', 'shop.cedar');
  const changed = `${await readFile(rules, 'utf8')}\n// changed by a reader\n`;
  await writeFile(rules, changed);
  const said = await start();
  assert.equal(await readFile(rules, 'utf8'), changed);
  assert.doesNotMatch(said, /filling|creating/);
  assert.deepEqual((await facts()).people, people);
  assert.equal(await statusOf42(), 'refunded');
});

test('after kill -9 of the whole group the next start puts things right', async () => {
  const { pid = 0 } = demo.child;
  process.kill(-pid, 'SIGKILL');
  await demo.done;
  await start();
  assert.equal(await statusOf42(), 'refunded');
  const verified = await paste('npx countersign audit verify');
  assert.equal(verified.code, 0, verified.err);
});

test('after kill -9 of the launcher alone, the rest stops by itself', async () => {
  demo.child.kill('SIGKILL');
  await demo.done;
  await nothingLeft();
});

test('a port that is taken is named, with what to do, and nothing stays behind', async () => {
  for (const taken of [0, 1, 2, 3]) {
    const occupant = createServer().listen(base + taken, '127.0.0.1');
    await once(occupant, 'listening');
    const attempt = kit.launch('--port-base', String(base));
    assert.equal(await attempt.done, 1);
    assert.match(attempt.said.err, new RegExp(`port ${base + taken} on 127\\.0\\.0\\.1 is taken`));
    assert.match(attempt.said.err, /--port-base/);
    occupant.close();
    await once(occupant, 'close');
  }
  await nothingLeft();
});

test('--fresh begins anew, with other tokens', async () => {
  const said = await start('--fresh');
  assert.match(said, /filling/);
  assert.notEqual((await facts()).people.engineer.token, people['engineer']?.token);
  assert.notEqual(await statusOf42(), 'refunded');
  demo.child.kill('SIGINT');
  assert.equal(await demo.done, 0);
  await nothingLeft();
});

/** No process of this copy, and its ports are free; waits at most 15 s for what is just ending. */
async function nothingLeft(): Promise<void> {
  const signal = AbortSignal.timeout(15_000);
  for (;;) {
    const processes = await kit.processes();
    const ports = await Promise.all([0, 1, 2, 3].map((n) => isFree(base + n)));
    if (processes.length === 0 && ports.every(Boolean)) return;
    if (signal.aborted) throw new Error(`left: ${processes.join('\n')} ports ${ports.join()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
