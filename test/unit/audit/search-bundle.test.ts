import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyBundle } from '#cli/audit/bundle.ts';
import { openRecords } from '#src/audit/records.ts';
import { formatVkey } from '#src/audit/tree/note.ts';
import { recordProof } from '#src/audit/tree/record-proof.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { TreeWorld, write } from '../../conformance/tree-world.ts';
import { eventually } from '../../fakes/gateway.ts';

test('an export with proofs is verified line by line, and every way to change it is found', async () => {
  await using world = await TreeWorld.start();
  world.sequence();
  world.checkpoint();
  const receipts = await write(await world.writer(), 3);
  await eventually(
    'a checkpoint of all',
    async () => ((await world.signed())?.size ?? 0) >= 3 || undefined,
  );
  const records = openRecords(world.store.db);
  const lines = await Promise.all(
    receipts.map(async ({ record }) => ({
      ...(await records.get(record)),
      verdicts: ['allow'],
      proof: await recordProof(world.store.db, record),
    })),
  );
  const trust = parseTrust(`log ${formatVkey(await world.key())}\nquorum none\n`);
  const path = join(world.folder, 'bundle.ndjson');
  const end = { end: { records: 3, more: false } };
  const verify = async (...all: readonly unknown[]) => {
    await writeFile(path, all.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const { records: good, problems, wrong } = await verifyBundle(path, trust);
    assert.equal(problems.length, wrong);
    return `${good}: ${problems.join('; ')}`;
  };
  const [a, b, c] = lines;
  assert.equal(await verify(a, b, c, end), '3: ');
  assert.match(await verify(a, b, c), /^3: the last line is missing/u);
  assert.match(await verify(a, b, end), /^2: 3 records were exported, and 2 are here/u);
  assert.match(await verify(a, b, end, c), /it comes after the end/u);
  assert.match(
    await verify({ ...a, body: { n: 7 } }, b, c, end),
    /^2: line 1: .*says something else/u,
  );
  assert.match(await verify({ ...a, person: 'x@y.z' }, b, c, end), /says something else/u);
  assert.match(await verify({ ...a, verdict: 'deny' }, b, c, end), /says something else/u);
  assert.match(await verify({ ...a, body: undefined }, b, c, end), /says something else/u);
  assert.match(
    await verify({ ...a, proof: b?.proof }, b, c, end),
    /its proof is of another record/u,
  );
  assert.match(
    await verify({ ...a, at: '2020-01-01T00:00:00.000Z' }, b, c, end),
    /of another record/u,
  );
  assert.match(await verify({ ...a, proof: null }, b, c, end), /has no proof/u);
  assert.match(
    await verify({ ...a, proof: a?.proof?.replace('index 0', 'index 1') }, b, c, end),
    /^2: /u,
  );
  assert.match(
    await verify({ ...a, proof: 'x' }, 'no record', c, end),
    /^1: .*; line 2: it is no exported record/u,
  );
  assert.ok((await readFile(path, 'utf8')).length > 0);
});
