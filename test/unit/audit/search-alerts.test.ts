import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { alertPost, startAlerts } from '#bot/alerts.ts';
import type { Said } from '#bot/say.ts';
import { slackMessage } from '#bot/slack/render.ts';
import { claimAlerts } from '#src/audit/search/alerts.ts';
import { forgetProjection } from '#src/audit/search/project.ts';
import { openViews, type View } from '#src/audit/search/views.ts';
import type { Scope } from '#src/audit/search/where.ts';
import { checkMessage } from '../../fakes/blockkit.ts';
import { eventually } from '../../fakes/gateway.ts';
import { people } from '../api-fakes.ts';
import { SearchWorld, statement } from './search-world.ts';

describe('who keeps a search', () => {
  let world: SearchWorld;
  let view: View;
  /** What the owners may find now. */
  const scopes = new Map<string, Scope>();
  const scopeOf = (owner: string): Promise<Scope | undefined> => Promise.resolve(scopes.get(owner));
  const project = () => world.project(undefined, scopeOf);

  before(async () => {
    world = await SearchWorld.start();
    scopes.set(people.approver.email, {});
    scopes.set(people.engineer.email, { person: people.engineer.email });
    await world.write(statement('ada', 'delete from secret_plans'));
    await project();
    const views = openViews(world.store.db, world.log);
    view = await views.add(
      people.approver,
      { name: 'deletes <!channel>', query: 'delete rows:>2 or_not', groups: [], channel: 'ops' },
      'api',
    );
    view = await views.change(
      people.approver,
      view,
      { name: view.name, query: 'delete -rows:>100', groups: [], channel: 'ops' },
      'api',
    );
    await views.add(
      people.engineer,
      { name: 'own', query: 'delete', groups: [], channel: 'ops' },
      'api',
    );
  });
  after(() => world[Symbol.asyncDispose]());

  const alerts = async () => {
    const { rows } = await world.store.db.pool.query(
      'select a.name, a.matches, v.owner from countersign.search_alert a join countersign.search_view v on v.id = a.view order by a.at',
    );
    return rows.map(({ owner, matches }) => `${owner.split('@')[0]} ${matches}`);
  };
  const minuteLater = () =>
    world.store.db.pool.query(
      `update countersign.search_view set told_at = told_at - interval '1 minute'`,
    );

  test('is told once of what matches from then on, as far as they may find it', async () => {
    await world.write(statement('ada', 'delete from a'), statement('ada', 'select 1'));
    await project();
    assert.deepEqual(await alerts(), ['approver 1']);
  });

  test('is told at most once a minute, with all that came in between', async () => {
    const late = statement('ada', 'delete from b');
    await world.write(late, statement('ada', 'delete from c'));
    await project();
    const { verdict: _, ...of } = late;
    // The row changes, and matches again: it is the same one.
    await world.write(
      { ...of, kind: 'outcome', body: { ok: true, rows: 1 } },
      statement('engineer', 'delete from d'),
    );
    await project();
    assert.deepEqual(await alerts(), ['approver 1', 'engineer 1']);
    await minuteLater();
    await project();
    assert.deepEqual(await alerts(), ['approver 1', 'engineer 1', 'approver 3']);
    await minuteLater();
    await project();
    assert.equal((await alerts()).length, 3);
  });

  test('is told of nothing again when all is projected anew, and of nothing once they are gone', async () => {
    await minuteLater();
    await forgetProjection(world.store.db);
    await project();
    assert.equal((await alerts()).length, 3);
    scopes.delete(people.approver.email);
    await world.write(statement('ada', 'delete from e'));
    await project();
    assert.equal((await alerts()).length, 3);
    assert.deepEqual(world.errors, []);
  });

  test('a channel gets a count and a link, once each, also when it could not be said at first', async () => {
    const said: Said[] = [];
    let away = true;
    const errors: Error[] = [];
    const parts = {
      db: world.store.db,
      everyMs: 10,
      onError: (error: Error) => void errors.push(error),
      publicUrl: 'https://gate.example',
      say: {
        say: (one: Said) => {
          if (away) return Promise.reject(new Error('no room'));
          said.push(one);
          return Promise.resolve(true);
        },
      },
    };
    const first = startAlerts(parts);
    await eventually('a failure', () => errors.length >= 3 || undefined);
    await first.close();
    away = false;
    await world.store.db.pool.query(
      'update countersign.search_alert set next_at = clock_timestamp()',
    );
    const bots = [startAlerts(parts), startAlerts(parts)];
    await eventually('the posts', () => said.length >= 3 || undefined);
    await Promise.all(bots.map((bot) => bot.close()));
    assert.equal(new Set(said.map(({ key }) => key)).size, 3);
    assert.deepEqual(await claimAlerts(world.store.db.pool), []);
    const { rows } = await world.store.db.pool.query(
      'select from countersign.search_alert where done_at is null',
    );
    assert.equal(rows.length, 0);
    const texts = JSON.stringify(said);
    assert.match(texts, /": 3 more records match\. "/u);
    assert.match(texts, /"link":"https:\/\/gate\.example\/views\/[0-9a-f-]{36}"/u);
    assert.doesNotMatch(texts, /delete from|ada/u);
    assert.ok(said.every(({ to }) => 'channel' in to && to.channel === 'ops'));
  });

  test('no name is read as markup, mention or further lines', () => {
    const post = alertPost(
      { view: 'v', matches: 1, name: 'a*b`c <@U1>\n<!here> \u202e' },
      'https://g',
    );
    assert.doesNotMatch(post.summary, /<|here/u);
    const { blocks } = slackMessage(post);
    assert.deepEqual(checkMessage({ text: post.summary, blocks }), []);
    assert.match(JSON.stringify(blocks), /"text":"a\*b`c <@U1> ⏎ <!here> ⟨U\+202E⟩"/u);
    assert.doesNotMatch(JSON.stringify(blocks), /mrkdwn/u);
  });
});
