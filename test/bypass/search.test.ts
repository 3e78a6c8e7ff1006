import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import type { FastifyInstance } from 'fastify';
import { buildHttp } from '#gateway/api/listener.ts';
import { openViews } from '#src/audit/search/views.ts';
import { as, get } from '../unit/api-app.ts';
import { makeWorld, people, type World } from '../unit/api-fakes.ts';
import { SearchWorld, statement } from '../unit/audit/search-world.ts';

/** Names and words that only the approver's acts hold. */
const SECRET = /hush|payroll|other-target|abandon-ship/u;

describe('searching as somebody who may read only their own acts', () => {
  let world: SearchWorld;
  let http: World;
  let app: FastifyInstance;
  let mine: readonly string[];
  let theirs: readonly string[];

  before(async () => {
    world = await SearchWorld.start();
    mine = await world.write(
      statement('engineer', 'select mine from a'),
      statement('engineer', '=cmd|calc', { said: { words: ['@sum(1)'] } }),
    );
    theirs = await world.write(
      statement('approver', 'select hush from payroll', { target: 'other-target' }),
      statement('approver', 'select abandon-ship', { target: 'other-target', verdict: 'deny' }),
      // Their own name in somebody else's text, or as the requester of somebody else's record.
      statement('approver', "delete from people where email = 'engineer@example.com' -- hush"),
      {
        kind: 'decision',
        person: people.approver.email,
        target: 'other-target',
        body: { decision: 'approve', requester: 'engineer@example.com', reason: 'hush' },
      },
    );
    await world.project();
    http = makeWorld();
    const views = openViews(world.store.db, http.deps.audit);
    const deps = { ...http.deps, search: world.search, views, channels: () => ['ops'] };
    // Changes of views are written with their record, so these go to the real log.
    app = await buildHttp({
      ...deps,
      views: openViews(world.store.db, world.log),
      log: pino({ level: 'silent' }),
    });
  });
  after(async () => {
    await app.close();
    await world[Symbol.asyncDispose]();
  });

  const QUERIES = [
    '',
    'person:approver',
    'person:*',
    '-person:engineer',
    '-person:"engineer@example.com"',
    'target:other-target',
    'hush',
    '-hush',
    '"engineer@example.com"',
    'kind:decision',
    'decided-by:*',
    'person:engineer,approver',
    String.raw`person:"x\" or true --"`,
    "target:' or 1=1",
    'person:engineer@example.com,*',
  ];

  test('no query leaves their acts: in lists, counts, histograms and exports', async () => {
    for (const q of [...QUERIES, ...theirs.map((id) => `record:${id}`)]) {
      const asked = `q=${encodeURIComponent(q)}`;
      for (const path of [
        '/records?',
        '/records/facets?',
        '/records/histogram?',
        '/records/export?format=csv&',
        '/records/export?format=ndjson&proofs=true&',
      ]) {
        const answer = await app.inject(get('engineer-read', path + asked));
        assert.equal(answer.statusCode, 200, `${path}${q}: ${answer.body}`);
        assert.doesNotMatch(answer.body, SECRET, `${path}${q}`);
        const { total } = path.startsWith('/records/facets') ? answer.json() : { total: 0 };
        assert.ok(total <= mine.length, `${path}${q}: ${total}`);
      }
      const all = await app.inject(get('stranger-read', `/records/facets?${asked}`));
      assert.equal(all.json().total, 0, q);
    }
    const everything = await app.inject(get('security-read', '/records/facets?q='));
    assert.equal(everything.json().total, mine.length + theirs.length);
  });

  test('a cursor of somebody else opens nothing, and a made one is refused', async () => {
    const page = (await app.inject(get('security-read', '/records?limit=1'))).json();
    for (const cursor of [
      page.older,
      String(page.older).replace('o', 'n'),
      'n0.0',
      `o9${'0'.repeat(14)}.9`,
    ]) {
      const answer = await app.inject(get('engineer-read', `/records?cursor=${cursor}`));
      assert.equal(answer.statusCode, 200);
      assert.doesNotMatch(answer.body, SECRET);
      for (const { id } of answer.json().records) assert.ok(mine.includes(id));
    }
    for (const cursor of ['x', 'o1', 'o-1.1', 'o1.1;', "o1.1'"]) {
      const answer = await app.inject(
        get('engineer-read', `/records?cursor=${encodeURIComponent(cursor)}`),
      );
      assert.equal(answer.statusCode, 422, cursor);
    }
  });

  test('pages go to and fro without gaps or doubles', async () => {
    const forth: string[] = [];
    let cursor: string | undefined = '';
    let back = '';
    while (cursor !== undefined) {
      const answer: { records: { id: string }[]; newer?: string; older?: string } = (
        await app.inject(
          get('security-read', `/records?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`),
        )
      ).json();
      forth.push(...answer.records.map(({ id }: { id: string }) => id));
      back = answer.newer ?? back;
      cursor = answer.older;
    }
    assert.deepEqual(forth, [...mine, ...theirs].toReversed());
    const newer = (
      await app.inject(get('security-read', `/records?limit=2&cursor=${back}`))
    ).json();
    assert.deepEqual(
      newer.records.map(({ id }: { id: string }) => id),
      forth.slice(2, 4),
    );
  });

  test('a view is seen by its owner and the groups it is shared with, and shows nobody more than they may see', async () => {
    const keep = (token: string, form: object) =>
      app.inject(as(token, { method: 'POST', url: '/api/v1/views', payload: form }));
    const made = await keep('approver-read', { name: 'hush', query: 'hush', groups: ['dba'] });
    assert.equal(made.statusCode, 200, made.body);
    const { id } = made.json();
    for (const token of ['engineer-read', 'security-read', 'stranger-read']) {
      assert.equal((await app.inject(get(token, `/views/${id}`))).statusCode, 404);
      assert.deepEqual((await app.inject(get(token, '/views'))).json().views, []);
      for (const method of ['POST', 'DELETE'] as const) {
        const payload = method === 'POST' ? { name: 'x', query: '' } : undefined;
        const answer = await app.inject(
          as(token, { method, url: `/api/v1/views/${id}`, ...(payload && { payload }) }),
        );
        assert.equal(answer.statusCode, 404, `${token} ${method}`);
      }
    }
    const seen = await app.inject(get('approver2-read', `/views/${id}`));
    assert.equal(seen.json().owner, people.approver.email);
    const change = {
      method: 'POST',
      url: `/api/v1/views/${id}`,
      payload: { name: 'x', query: '' },
    } as const;
    assert.equal((await app.inject(as('approver2-read', change))).statusCode, 403);
    // Groups they are not in, channels that they may not tell, or that are none, and searches that are none.
    assert.equal(
      (await keep('engineer-read', { name: 'a', query: '', groups: ['dba'] })).statusCode,
      422,
    );
    assert.equal(
      (await keep('engineer-read', { name: 'a', query: '', channel: 'ops' })).statusCode,
      403,
    );
    assert.equal(
      (await keep('approver-read', { name: 'a', query: '', channel: 'none' })).statusCode,
      422,
    );
    assert.equal((await keep('approver-read', { name: 'a', query: 'persn:x' })).statusCode, 422);
    assert.equal((await keep('approver-read', { name: 'hush', query: '' })).statusCode, 409);
    assert.equal(
      (await app.inject(as('approver-read', { method: 'DELETE', url: `/api/v1/views/${id}` })))
        .statusCode,
      200,
    );
    const { rows } = await world.store.db.pool.query(
      `select body from countersign.record_body where kind = 'look' order by at`,
    );
    assert.deepEqual(
      rows.map(({ body }) => JSON.parse(body).body.action),
      ['keep', 'forget'],
    );
    assert.doesNotMatch(JSON.stringify(rows), /hush/u);
  });

  test('nothing is found before the search is recorded, and a reload is the same search', async () => {
    const had = http.appended.length;
    const q = `/records?q=${randomUUID()}`;
    http.logDown = true;
    for (const path of [
      q,
      q.replace('/records', '/records/facets'),
      q.replace('/records', '/records/export'),
    ])
      assert.equal((await app.inject(get('security-read', path))).statusCode, 503, path);
    http.logDown = false;
    for (let i = 0; i < 3; i += 1) await app.inject(get('security-read', q));
    assert.equal(http.appended.length, had + 1);
    await app.inject(get('approver-read', q));
    await app.inject(get('security-read', `${q}&cursor=o1.1`));
    await app.inject(get('security-read', q.replace('/records', '/records/export')));
    await app.inject(get('security-read', q.replace('/records', '/records/export')));
    assert.equal(http.appended.length, had + 5);
  });

  test('no cell of a CSV is a formula, and the last line of NDJSON says that it is the last', async () => {
    const csv = (await app.inject(get('engineer-read', '/records/export?format=csv'))).body;
    assert.match(csv, /,"'=cmd\|calc",/u);
    assert.doesNotMatch(csv, /(?:^|,)"?[=+@]/mu);
    const lines = (await app.inject(get('engineer-read', '/records/export?limit=1'))).body
      .trim()
      .split('\n');
    assert.equal(lines.length, 2);
    assert.deepEqual(JSON.parse(lines[1] ?? ''), { end: { records: 1, more: true } });
  });
});

test('what is erased is found no more, in the same breath', async () => {
  await using world = await SearchWorld.start();
  const held = statement('ada', 'delete from hush', { verdict: 'hold', request: randomUUID() });
  const { verdict: _, ...of } = held;
  const [id, decision] = await world.write(
    held,
    {
      ...of,
      kind: 'decision',
      person: 'bo@example.com',
      body: { decision: 'deny', reason: 'hush' },
    },
    statement('cy', 'select 1'),
  );
  await world.project();
  assert.equal((await world.find('hush')).length, 2);
  const { pool } = world.store.db;
  const erase = async (record: string | undefined) => {
    const [by, erasure] = ['security@example.com', randomUUID()];
    await pool.query(
      `insert into countersign.erasure (id, state, reason, by, pseudonym) values ($1, 'recorded', 'asked', $2, 'erased-1')`,
      [erasure, by],
    );
    await pool.query(
      `update countersign.record_body set salt = null, body = null, person = null, agent = null, session = null, statement = null,
         request = null, erased_by = $2 where id = $1`,
      [record, erasure],
    );
  };
  await erase(decision);
  assert.equal((await world.find('decided-by:bo')).length, 0);
  await world.project();
  const [left] = await world.find('hush');
  assert.equal(left?.record.id, id);
  assert.deepEqual([left?.decidedBy, left?.decision], [[], 'waiting']);
  await erase(id);
  assert.equal((await world.find('hush')).length, 0);
  await world.project();
  const { rows } = await pool.query(
    `select (select count(*)::int from countersign.search_facet where person in ('ada@example.com', 'bo@example.com')) as facets,
       (select sum(n)::int from countersign.search_tally) as tally, (select count(*)::int from countersign.search_record) as rows`,
  );
  assert.deepEqual(rows, [{ facets: 0, tally: 1, rows: 1 }]);
});
