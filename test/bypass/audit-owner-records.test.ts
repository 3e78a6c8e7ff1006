import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Scene } from './audit-scene.ts';
import { AuditWorld, IN } from './audit-world.ts';

const AT = (seq: number, column = 'id') =>
  `(select ${column} from record where writer = 'east' and seq = ${seq})`;

type Attack = { readonly sql: (seq: number) => string; readonly finds: (seq: number) => RegExp };

/** What they try on one record, without making anything else agree with it. */
const ATTACKS: Readonly<Record<string, Attack>> = {
  'changes a leaf': {
    sql: (seq) =>
      `update record set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"kind":"statement"', '"kind":"sign-out"'), 'UTF8')
       where writer = 'east' and seq = ${seq}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): changed`),
  },
  'changes a leaf and its hash': {
    sql: (seq) =>
      `update record set leaf = l, hash = sha256('\\x00'::bytea || l) from (select convert_to(replace(convert_from(leaf, 'UTF8'), '"kind":"statement"', '"kind":"sign-out"'), 'UTF8') as l from record where writer = 'east' and seq = ${seq}) c
       where writer = 'east' and seq = ${seq}`,
    finds: (seq) => new RegExp(`east: record (${seq}|${seq + 1}) \\(.*\\): (index|inserted)`),
  },
  'changes what a body says': {
    sql: (seq) =>
      `update record_body set body = replace(body, 'select 1', 'select 2') where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): body`),
  },
  'changes a salt': {
    sql: (seq) => `update record_body set salt = sha256(salt) where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): body`),
  },
  'makes a body another’s, by its column': {
    sql: (seq) => `update record_body set person = 'eve@example.com' where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): index: the column person`),
  },
  'changes when it happened': {
    sql: (seq) => `update record_body set at = at - interval '1 day' where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): index: the time`),
  },
  'changes what kind it is': {
    sql: (seq) => `update record_body set kind = 'look' where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): index`),
  },
  'changes the verdict': {
    sql: (seq) => `update record_body set verdict = 'deny' where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): index: the column verdict`),
  },
  'swaps two bodies': {
    sql: (seq) =>
      `update record_body set (salt, body) = (select o.salt, o.body from record_body o where o.id = case record_body.id when ${AT(seq)} then ${AT(seq - 1)} else ${AT(seq)} end)
       where id in (${AT(seq)}, ${AT(seq - 1)})`,
    finds: (seq) => new RegExp(`east: record ${seq - 1} \\(.*\\): body`),
  },
  'swaps two records with all that is theirs': {
    sql: (seq) =>
      `update record set seq = -seq where writer = 'east' and seq in (${seq}, ${seq - 1});
       update record set seq = ${2 * seq - 1} + seq where writer = 'east' and seq < 0`,
    finds: (seq) => new RegExp(`east: record ${seq - 1} \\(.*\\): reordered`),
  },
  'removes a record': {
    sql: (seq) =>
      `delete from record_body where id = ${AT(seq)}; delete from record where writer = 'east' and seq = ${seq}`,
    finds: (seq) => new RegExp(`east: record ${seq + 1} \\(.*\\): removed: 1 records from ${seq}`),
  },
  'removes a record and moves up what follows': {
    sql: (seq) =>
      `delete from record_body where id = ${AT(seq)}; delete from record where writer = 'east' and seq = ${seq};
       update record set seq = -seq + 1 where writer = 'east' and seq > ${seq}; update record set seq = -seq where writer = 'east' and seq < 0`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): reordered`),
  },
  'removes the body alone': {
    sql: (seq) => `delete from record_body where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): body: its body is missing`),
  },
  'takes the body alone out of a row': {
    sql: (seq) => `update record_body set body = null where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): body: only one`),
  },
  'takes salt and body away, as an erasure does, without the record of one': {
    sql: (seq) => `update record_body set salt = null, body = null where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record ${seq} \\(.*\\): body: .*eras`),
  },
  'says that an erasure took it which never was': {
    sql: (seq) =>
      `update record_body set salt = null, body = null, erased_by = gen_random_uuid() where id = ${AT(seq)}`,
    finds: () => /eras/,
  },
  'gives the body a second row': {
    sql: (seq) =>
      `insert into record_body (id, at, writer, epoch, kind, person, salt, body) select id, at + interval '1 second', writer, epoch, kind, 'eve@example.com', salt, body from record_body where id = ${AT(seq)}`,
    finds: (seq) => new RegExp(`east: record (${seq}|${seq + 1}) \\(.*\\): (index|inserted)`),
  },
  'puts a record of their own in between': {
    sql: (seq) =>
      `update record set seq = -seq - 1 where writer = 'east' and seq > ${seq}; update record set seq = -seq where writer = 'east' and seq < 0;
       insert into record select writer, ${seq + 1}, gen_random_uuid(), leaf, hash from record where writer = 'east' and seq = ${seq}`,
    finds: (seq) => new RegExp(`east: record ${seq + 1} \\(.*\\): reordered`),
  },
  'makes it the record of another writer': {
    sql: (seq) =>
      `update record set writer = 'north', seq = 1 where writer = 'east' and seq = ${seq}`,
    finds: (seq) => new RegExp(`north: record 1 \\(.*\\): reordered.*is record ${seq} of east`),
  },
};

describe('who owns the database, without the log’s key, at one record', () => {
  let world: AuditWorld;
  let scene: Scene;
  before(async () => {
    world = await AuditWorld.start();
    scene = await world.scene();
  });
  after(async () => {
    await scene[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });
  beforeEach(() => scene.reset());

  test('nothing is found where nothing was done', async () => {
    const { code, lines } = await scene.verify();
    assert.equal(code, 0, lines.join('\n'));
    const mirrored = await scene.mirrored();
    assert.equal(mirrored.code, 0, mirrored.lines.join('\n'));
  });

  for (const [name, { sql, finds }] of Object.entries(ATTACKS))
    test(`${name}: audit verify names the record, the newest and one that is witnessed`, async () => {
      for (const seq of [IN.witnessed, IN.durable]) {
        await scene.reset();
        await scene.sql.query(sql(seq));
        const { code, lines } = await scene.verify();
        assert.equal(code, 1, `record ${seq}`);
        assert.match(lines.join('\n'), finds(seq));
      }
    });
});
