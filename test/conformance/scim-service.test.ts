import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CORE_GROUP, CORE_USER, patchOf, scimClient, TOKEN } from '../fakes/scim.ts';
import { scimWorld, where } from './scim-world.ts';

const world = scimWorld();

describe('what the service says of itself', () => {
  test('ServiceProviderConfig, ResourceTypes and Schemas', async () => {
    const config = await world.okta('GET', '/ServiceProviderConfig');
    assert.equal(config.body.patch.supported, true);
    assert.equal(config.body.bulk.supported, false);
    assert.equal(config.body.filter.maxResults, 200);
    const types = await world.okta('GET', '/ResourceTypes');
    assert.deepEqual(
      types.body.Resources.map(({ id }: { id: string }) => id),
      ['User', 'Group'],
    );
    assert.equal((await world.okta('GET', '/ResourceTypes/User')).body.endpoint, '/Users');
    const schemas = await world.okta('GET', '/Schemas');
    assert.equal(schemas.body.totalResults, 2);
    const user = await world.okta('GET', `/Schemas/${CORE_USER}`);
    const userName = user.body.attributes.find(({ name }: { name: string }) => name === 'userName');
    assert.deepEqual(
      [userName.required, userName.uniqueness, userName.mutability],
      [true, 'server', 'readWrite'],
    );
    assert.equal((await world.okta('GET', '/Schemas/urn:none')).status, 404);
  });

  test('what cannot be read is an error of SCIM', async () => {
    const cases: readonly (readonly [string, string, unknown, number])[] = [
      ['POST', '/Users', '{"userName":', 400],
      ['POST', '/Users', [], 400],
      ['POST', '/Users', { schemas: [CORE_USER] }, 400],
      ['POST', '/Groups', { schemas: [CORE_GROUP] }, 400],
      ['POST', '/Users', { userName: 'no-address' }, 400],
      ['GET', '/Users/none', undefined, 404],
      ['GET', `/Users${where('userName eq')}`, undefined, 400],
      ['GET', '/Nothing', undefined, 404],
      ['PATCH', '/Users/7dd6d3a1-4b9c-4d9e-9d43-3a4a7a6b3c10', patchOf({ op: 'remove' }), 404],
    ];
    for (const [method, path, body, status] of cases) {
      const answer = await world.okta(method, path, body);
      assert.equal(answer.status, status, `${method} ${path}`);
      assert.deepEqual(answer.body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
      assert.equal(answer.body.status, String(status));
      assert.match(answer.headers.get('content-type') ?? '', /^application\/scim\+json/);
    }
    const html = scimClient(`${world.base}/scim/okta/v2`, `okta-${TOKEN}`, {
      'content-type': 'text/html',
    });
    assert.equal((await html('POST', '/Users', {})).status, 415);
  });

  test('a provider whose SCIM was turned off counts no more, and counts again when it is back', async () => {
    const { status, body } = await world.okta('POST', '/Users', { userName: 'ada@okta.local' });
    assert.equal(status, 201);
    const members = [{ value: body.id }];
    await world.okta('POST', '/Groups', { displayName: 'dba', members });
    await world.open(['entra']);
    const { rows } = await world.store.db.pool.query(
      `select scim, valid_until <= clock_timestamp() as over from countersign.person`,
    );
    assert.deepEqual(rows, [{ scim: false, over: true }]);
    assert.deepEqual((await world.lastRecord('group')).body.ended, ['ada@okta.local']);
    await world.open(['okta', 'entra']);
    const ada = await world.personOf('ada@okta.local');
    assert.deepEqual([ada.scim, ada.groups], [true, ['dba']]);
  });

  test('groups that the mapping names otherwise are otherwise from the next start on', async () => {
    const made = await world.entra('POST', '/Users', { userName: 'bob@testuser.com' });
    const members = [{ value: made.body.id }];
    await world.entra('POST', '/Groups', { displayName: 'Engineers', members });
    assert.deepEqual((await world.personOf('bob@testuser.com')).groups, ['engineering']);
    await world.open(['entra'], new Map([['Engineers', 'builders']]));
    assert.deepEqual((await world.personOf('bob@testuser.com')).groups, ['builders']);
    assert.equal((await world.lastRecord('group')).body.role, 'builders');
    await world.open(['entra'], new Map());
    assert.deepEqual((await world.personOf('bob@testuser.com')).groups, []);
  });

  test('a group of very many does not hold up the log, and what of it fails is recorded as undone', async () => {
    const { pool } = world.store.db;
    const { rows } = await pool.query<{ id: string }>(
      `insert into countersign.scim_user (id, provider, user_name, email, name, active, attributes)
       select gen_random_uuid(), 'okta', e, e, e, true, jsonb_build_object('userName', e, 'active', true)
       from (select 'u' || i || '@okta.local' as e from generate_series(1, 3000) i) t returning id`,
    );
    const members = rows.map(({ id }) => ({ value: id }));
    const made = await world.okta('POST', '/Groups', { displayName: 'all', members });
    assert.equal(made.status, 201);
    assert.deepEqual((await world.personOf('u3000@okta.local')).groups, ['all']);
    assert.deepEqual(world.forgotten, ['*']);
    const again = await world.okta('POST', '/Groups', { displayName: 'All', members });
    assert.equal(again.status, 409);
    assert.equal((await world.lastRecord('group')).body.action, 'scim-undone');
    const path = `/Groups/${made.body.id}`;
    const rename = patchOf({ op: 'replace', value: { displayName: 'everybody' } });
    assert.equal((await world.okta('PATCH', path, rename)).status, 204);
    assert.deepEqual((await world.personOf('u7@okta.local')).groups, ['everybody']);
    assert.equal((await world.okta('DELETE', path)).status, 204);
    assert.deepEqual((await world.personOf('u7@okta.local')).groups, []);
    const { rows: left } = await pool.query(
      `select count(*)::int as n from countersign.person where groups <> '{}'`,
    );
    assert.deepEqual(left, [{ n: 0 }]);
  });
});
