import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

let gateway: TestGateway;
before(async () => {
  gateway = await startGateway({
    config: {
      audit: {
        witnesses: [],
        quorum: 0,
        anchors: [],
        export: [],
        heartbeatMs: 60_000,
        serve: true,
      },
    },
  });
});
after(() => gateway.stop());

/** Somebody with a browser that keeps one cookie, without scripts. */
class Visitor {
  readonly #origin = gateway.running.console;
  #cookie = '';
  #csrf = '';

  static async of(who: Who): Promise<Visitor> {
    const visitor = new Visitor();
    await visitor.get('/sign-in');
    const { status } = await visitor.post('/sign-in', {
      token: await gateway.token(who, 'decide'),
      next: '',
    });
    assert.equal(status, 303);
    return visitor;
  }

  async #ask(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
    const answer = await fetch(this.#origin + path, {
      ...init,
      redirect: 'manual',
      headers: { cookie: this.#cookie, origin: this.#origin, accept: 'text/html' },
    });
    for (const cookie of answer.headers.getSetCookie())
      this.#cookie = cookie.split(';')[0] ?? this.#cookie;
    const text = await answer.text();
    this.#csrf = /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? this.#csrf;
    return { status: answer.status, text };
  }

  get(path: string) {
    return this.#ask(path);
  }

  post(path: string, fields: Readonly<Record<string, string>>, csrf = this.#csrf) {
    return this.#ask(path, { method: 'POST', body: new URLSearchParams({ csrf, ...fields }) });
  }

  /** As the form sends it, with a file. */
  check(text: string, file = '', csrf = this.#csrf) {
    const form = new FormData();
    form.set('csrf', csrf);
    form.set('text', text);
    form.set('file', new Blob([file]), file === '' ? '' : 'record.tlog-proof');
    return this.#ask('/verify/check', { method: 'POST', body: form });
  }
}

/** A record of the engineer that is signed, with its proof. */
async function proven(): Promise<{ readonly id: string; readonly proof: string }> {
  const client = await gateway.open();
  await client.query('select 1');
  const record = await eventually('a record', async () => {
    const { body } = await gateway.api('engineer', '/records?q=kind:statement&limit=1');
    return body.records[0];
  });
  const proof = await eventually('a proof', async () => {
    const answer = await fetch(`${gateway.running.api}/records/${record.id}/proof`, {
      headers: { authorization: `Bearer ${await gateway.token('engineer', 'decide')}` },
    });
    return answer.status === 200 ? answer.text() : undefined;
  });
  return { id: record.id, proof };
}

const plain = (page: string): string => page.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
const looks = async (): Promise<any[]> =>
  (await gateway.records('look'))
    .map(({ person, json }) => ({ person, ...json.body }))
    .filter(({ looked }) => looked === 'verification');

const state = async (visitor: Visitor): Promise<string> =>
  plain((await visitor.get('/verify')).text);

describe('the page Verify', () => {
  test('shows the log, and takes a proof as text, as a file and by its record’s id', async () => {
    const { id, proof } = await proven();
    const visitor = await Visitor.of('engineer');
    const { text } = await visitor.get('/verify');
    assert.match(plain(text), /In the tree \d+ records/);
    assert.match(
      plain(text),
      /Last checkpoint 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC , by 127\.0\.0\.1:\d+\/log/,
    );
    assert.match(plain(text), /countersign audit verify --tiles http:\/\/127\.0\.0\.1:\d+\/log/);
    assert.doesNotMatch(text, /action="\/verify\/run"/);
    for (const { status, text: page } of [
      await visitor.check(proof),
      await visitor.check(proof.replaceAll('\n', '\r\n')),
      await visitor.check(proof.trimEnd()),
      await visitor.check('', proof),
      await visitor.check(id),
      await visitor.check(` ${id.toUpperCase()} `),
    ]) {
      assert.equal(status, 200);
      assert.match(plain(page), /Holds Entry \d+ of \d+/);
      assert.match(plain(page), /Checkpoint good .* Place good .* Content good/);
      assert.ok(page.includes(id));
    }
    const said = await looks();
    assert.equal(said.length, 6);
    for (const look of said) {
      assert.equal(look.person, 'engineer@example.com');
      assert.equal(look.holds, true);
      assert.equal(look.record, id);
    }
  });

  test('says which part of a proof fails', async () => {
    const { proof } = await proven();
    const visitor = await Visitor.of('engineer');
    await visitor.get('/verify');
    const shifted = proof.replace(
      /^index (\d+)$/m,
      (_, index: string) => `index ${Number(index) - 1}`,
    );
    const forged = proof.replace(/^extra (.*)$/m, (_, text: string) => {
      const carried = Buffer.from(text, 'base64').toString().replace('select 1', 'select 2');
      return `extra ${Buffer.from(carried).toString('base64')}`;
    });
    const resigned = proof.replace(/^— (\S+) (....)/m, '— $1 AAAA');
    for (const [text, words] of [
      [shifted, /Checkpoint good .* Place fails the record is not entry .* Content good/],
      [forged, /Checkpoint good .* Place good .* Content fails .*: changed/],
      [resigned, /Checkpoint fails the checkpoint is not trusted: no log of the policy/],
      [
        proof.replace('c2sp.org', 'c2sp.net'),
        /Does not hold This is neither a proof nor a checkpoint/,
      ],
      [`${proof.slice(0, 60)}\n`, /Does not hold This is neither/],
    ] as const) {
      assert.notEqual(text, proof);
      const { status, text: page } = await visitor.check(text);
      assert.equal(status, 200);
      assert.match(plain(page), words);
    }
    assert.equal((await looks()).filter(({ holds }) => holds === false).length, 5);
  });

  test('takes a checkpoint, and one of another log or of a fork does not hold', async () => {
    const visitor = await Visitor.of('stranger');
    await visitor.get('/verify');
    const note = await (await fetch(`${gateway.running.console}/log/checkpoint`)).text();
    const { text } = await visitor.check(note.trim());
    assert.match(plain(text), /Holds Checkpoint of \d+ records of .*begins with exactly/);
    const others = join(import.meta.dirname, '../fixtures/log/checkpoint');
    const { text: foreign } = await visitor.check(await readFile(others, 'utf8'));
    assert.match(plain(foreign), /Does not hold .* no log of the policy has signed it/);
  });

  test('gives nobody a record that is not theirs, takes no form of others, and escapes what it is given', async () => {
    const { id } = await proven();
    const stranger = await Visitor.of('stranger');
    await stranger.get('/verify');
    const earlier = (await looks()).length;
    const { status, text } = await stranger.check(id);
    assert.equal(status, 404);
    assert.doesNotMatch(text, /Entry \d+ of/);
    assert.equal((await stranger.check('', '')).status, 422);
    const { text: hostile } = await stranger.check('<script>alert(1)</script>');
    assert.doesNotMatch(hostile, /<script>alert/);
    assert.equal((await stranger.check('x', '', 'forged')).status, 403);
    assert.equal((await stranger.post('/verify/run', {})).status, 403);
    assert.equal((await stranger.post('/verify/cancel', {})).status, 403);
    assert.equal((await looks()).length, earlier + 1);
    const signedOut = await fetch(`${gateway.running.console}/verify`, { redirect: 'manual' });
    assert.equal(signedOut.status, 303);
    assert.equal(signedOut.headers.get('location'), '/sign-in?next=%2Fverify');
  });

  test('the trust file is the one of the command line', async () => {
    const visitor = await Visitor.of('engineer');
    const { text } = await visitor.get('/verify/trust');
    assert.match(
      text,
      /^log 127\.0\.0\.1:\d+\/log\+[0-9a-f]{8}\+\S+ http:\S+\/log\nquorum none\n$/,
    );
  });
});

describe('a verification of the whole log', () => {
  test('runs beside everything else, says how it ended, and is two looks', async () => {
    const visitor = await Visitor.of('oncall');
    assert.match(await state(visitor), /Verify the whole log/);
    assert.equal((await visitor.post('/verify/run', {})).status, 303);
    assert.equal((await visitor.post('/verify/run', {})).status, 303);
    const ended = await eventually(
      'its end',
      async () => {
        const text = await state(visitor);
        return /Begun by oncall@example.com .*, ended/.test(text) ? text : undefined;
      },
      30,
    );
    assert.match(ended, /Holds \d+ records of \d+ writers?, every one in its place and unchanged/);
    const said = await eventually('the looks', async () => {
      const found = (await looks()).filter(({ of }) => of === 'log');
      return found.some((one) => one.ended) ? found : undefined;
    });
    assert.deepEqual(
      said.map(({ person, ended: how }) => [person, how]),
      [
        ['oncall@example.com', undefined],
        ['oncall@example.com', 'holds'],
      ],
    );
  });

  test('can be stopped, and finds what was changed', async () => {
    const visitor = await Visitor.of('security');
    await state(visitor);
    await visitor.post('/verify/run', {});
    await visitor.post('/verify/cancel', {});
    assert.match(await state(visitor), /Stopped Nothing is known about the rest|Holds \d+ records/);
    await gateway.storeSql.query('set session_replication_role = replica');
    await gateway.storeSql.query(
      `update countersign.record_body set body = replace(body, 'select 1', 'select 7')
       where id = (select id from countersign.record_body where body like '%select 1%' order by at limit 1)`,
    );
    await visitor.post('/verify/run', {});
    const text = await eventually(
      'its end',
      async () => {
        const now = await state(visitor);
        return /Does not hold/.test(now) ? now : undefined;
      },
      30,
    );
    assert.match(text, /Does not hold .* body/);
    const engineer = await Visitor.of('engineer');
    assert.doesNotMatch(await state(engineer), /Does not hold|Begun by/);
  });
});
