import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, suite, test } from 'node:test';
import type { Browser } from '../fakes/browser.ts';
import type { Visitor } from '../fakes/visitor.ts';
import { formOf, HOUR, someone, World } from './sessions-world.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

suite('in the moment of the end', () => {
  const world = new World();
  let security: Browser;
  before(async () => {
    await world.open();
    security = await world.by('security');
  });
  after(() => world.close());

  /** `late` is checked before the end is there, and written after it. */
  async function overtaken<T>(end: () => Promise<unknown>, late: () => Promise<T>): Promise<T> {
    const sql = world.gateway.storeSql;
    await sql.query('begin; lock table countersign.record in share mode');
    const ending = end();
    await sleep(100);
    const answer = late();
    await sleep(300);
    await sql.query('commit');
    await ending;
    return answer;
  }

  const act = async (who: string, what: string): Promise<void> => {
    const path = `/people/${who}@example.com`;
    const { status, text } = await security.post(path, { act: what });
    assert.equal(status, 303, text);
  };
  const live = async (who: string) => {
    const { rows } = await world.gateway.storeSql.query(
      `select label from countersign.token where person = $1 and revoked_at is null`,
      [`${who}@example.com`],
    );
    return rows.map(({ label }) => label);
  };
  const enter = async (who: string): Promise<Visitor> => {
    await security.get(`/people/${who}@example.com`);
    return (await world.through(someone(who))).visitor;
  };
  const ask = async (path: string, form: Record<string, string>) => {
    const body = new URLSearchParams({ client_id: 'psql', ...form });
    const reply = await fetch(`${world.at}${path}`, { method: 'POST', body });
    const read: any = await reply.json();
    return read;
  };
  const found = async (visitor: Visitor, code: string) => {
    const csrf = formOf((await visitor.get('/device')).text);
    const { text } = await world.send(visitor, '/device', { csrf, code });
    const login = /name="login" value="([^"]+)"/u.exec(text)?.[1] ?? '';
    return { csrf, login, decision: 'approve' };
  };

  test('a stolen cookie makes no token that outlives the end of everything', async () => {
    const visitor = await enter('thief');
    const csrf = formOf((await visitor.get('/account')).text);
    const made = await overtaken(
      () => act('thief', 'end-everything'),
      () => world.send(visitor, '/account/tokens', { csrf, label: 'late', lifetime: `${HOUR}` }),
    );
    assert.equal(made.status, 403);
    assert.doesNotMatch(made.text, /cs_[\w-]{49}/u);
    assert.deepEqual(await live('thief'), []);
  });

  test('nor does it confirm a terminal, and one that was confirmed gets no token', async () => {
    const visitor = await enter('terminal');
    const pending = await ask('/oauth/device_authorization', {});
    const form = await found(visitor, pending.user_code);
    const decided = await overtaken(
      () => act('terminal', 'end-everything'),
      () => world.send(visitor, '/device/decision', form),
    );
    assert.equal(decided.status, 409, decided.text);

    const again = await enter('terminal');
    const { user_code, device_code } = await ask('/oauth/device_authorization', {});
    const confirmed = await world.send(again, '/device/decision', await found(again, user_code));
    assert.equal(confirmed.status, 200);
    const fetched = await overtaken(
      () => act('terminal', 'end-everything'),
      () => ask('/oauth/token', { grant_type: DEVICE, device_code }),
    );
    assert.equal(fetched.error, 'access_denied');
    for (const code of [device_code, pending.device_code])
      assert.equal(
        (await ask('/oauth/token', { grant_type: DEVICE, device_code: code })).access_token,
        undefined,
      );
    assert.deepEqual(await live('terminal'), []);
  });

  test('a sign-in that the deactivation overtakes does not come to life when the person is let in again', async () => {
    await enter('returner');
    const { visitor, answer } = await overtaken(
      () => act('returner', 'deactivate'),
      () => world.through(someone('returner')),
    );
    assert.equal(answer.status, 403, answer.text);
    await act('returner', 'activate');
    assert.equal(await visitor.isIn(), false);
    await world.gateway.verify();
  });
});
