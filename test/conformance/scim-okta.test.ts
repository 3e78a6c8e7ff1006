import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CORE_GROUP, CORE_USER, patchOf } from '../fakes/scim.ts';
import { scimWorld, where } from './scim-world.ts';

const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
const world = scimWorld();

describe('Okta', () => {
  const NEW = {
    schemas: [CORE_USER],
    userName: 'test.user@okta.local',
    name: { givenName: 'Test', familyName: 'User' },
    emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
    displayName: 'Test User',
    locale: 'en-US',
    externalId: '00ujl29u0le5T6Aj10h7',
    groups: [],
    password: '1mz050nq',
    active: true,
  };
  const add = async (user: object = NEW) => (await world.okta('POST', '/Users', user)).body.id;

  test('looks for somebody, finds nobody, and makes them', async () => {
    const look = `/Users${where('userName eq "test.user@okta.local"')}&startIndex=1&count=100`;
    const none = await world.okta('GET', look);
    assert.equal(none.status, 200);
    assert.match(none.headers.get('content-type') ?? '', /^application\/scim\+json/);
    assert.deepEqual(none.body, {
      schemas: [LIST],
      totalResults: 0,
      startIndex: 1,
      itemsPerPage: 0,
      Resources: [],
    });

    const made = await world.okta('POST', '/Users', NEW);
    assert.equal(made.status, 201);
    const { id, meta, ...rest } = made.body;
    assert.equal(made.headers.get('location'), meta.location);
    assert.equal(meta.location, `https://countersign.example.com/scim/okta/v2/Users/${id}`);
    const { locale: _1, groups: _2, password: _3, ...kept } = NEW;
    assert.deepEqual(rest, kept);
    const found = await world.okta('GET', look);
    assert.equal(found.body.totalResults, 1);
    assert.deepEqual(found.body.Resources, [made.body]);
    assert.deepEqual(await world.personOf('test.user@okta.local'), {
      name: 'Test User',
      groups: [],
      state: 'active',
      scim: true,
      provider: 'okta',
    });
    const { person, body } = await world.lastRecord('person');
    assert.equal(person, 'test.user@okta.local');
    assert.equal(body.action, 'scim-create');
    assert.equal(JSON.stringify(body).includes('1mz050nq'), false);
  });

  test('makes nobody twice', async () => {
    await add();
    const again = await world.okta('POST', '/Users', NEW);
    assert.equal(again.status, 409);
    assert.equal(again.body.scimType, 'uniqueness');
    assert.deepEqual(again.body.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
    const other = { ...NEW, userName: 'another@okta.local' };
    assert.equal((await world.okta('POST', '/Users', other)).status, 409);
  });

  test('changes somebody by PUT, deactivates by PATCH or PUT, and activates again', async () => {
    const id = await add();
    const { schemas } = NEW;
    const put = {
      schemas,
      id,
      userName: NEW.userName,
      name: { givenName: 'Another', middleName: 'Excited', familyName: 'User' },
      emails: [{ ...NEW.emails[0], display: NEW.userName }],
      active: true,
      groups: [],
      meta: { resourceType: 'User' },
    };
    const changed = await world.okta('PUT', `/Users/${id}`, put);
    assert.equal(changed.status, 200);
    assert.equal(changed.body.name.givenName, 'Another');
    assert.equal(changed.body.displayName, undefined);
    assert.equal((await world.personOf(NEW.userName)).name, 'Another User');

    const off = await world.okta(
      'PATCH',
      `/Users/${id}`,
      patchOf({ op: 'replace', value: { active: false } }),
    );
    assert.equal(off.status, 200);
    assert.equal(off.body.active, false);
    assert.equal((await world.personOf(NEW.userName)).state, 'deactivated');
    assert.ok(world.forgotten.includes(NEW.userName));
    assert.equal((await world.lastRecord('person')).body.action, 'scim-deactivate');
    assert.equal((await world.okta('GET', `/Users/${id}`)).body.active, false);

    await world.okta('PUT', `/Users/${id}`, put);
    assert.equal((await world.personOf(NEW.userName)).state, 'active');
    assert.equal((await world.lastRecord('person')).body.action, 'scim-activate');
    await world.okta('PUT', `/Users/${id}`, { ...put, active: false });
    const { active: _, ...silent } = put;
    await world.okta('PUT', `/Users/${id}`, silent);
    assert.equal((await world.personOf(NEW.userName)).state, 'deactivated');
  });

  test('pushes a group, renames it, fills it and takes it back', async () => {
    const [ada, bob] = [
      await add(),
      await add({ schemas: [CORE_USER], userName: 'bob@okta.local' }),
    ];
    const made = await world.okta('POST', '/Groups', {
      schemas: [CORE_GROUP],
      displayName: 'Test SCIMv2',
      members: [],
    });
    assert.equal(made.status, 201);
    const group = `/Groups/${made.body.id}`;
    const rename = { id: made.body.id, displayName: 'Engineers' };
    assert.equal(
      (await world.okta('PATCH', group, patchOf({ op: 'replace', value: rename }))).status,
      204,
    );
    const change = patchOf(
      { op: 'remove', path: 'members[value eq "89bb1940-b905-4575-9e7f-6f887cfb368e"]' },
      { op: 'add', path: 'members', value: [{ value: ada, display: NEW.userName }] },
    );
    assert.equal((await world.okta('PATCH', group, change)).status, 204);
    assert.deepEqual((await world.personOf(NEW.userName)).groups, ['Engineers']);
    assert.deepEqual((await world.lastRecord('group')).body, {
      action: 'scim-update',
      provider: 'okta',
      group: made.body.id,
      name: 'Engineers',
      role: 'Engineers',
      added: [NEW.userName],
      removed: [],
    });

    const all = { op: 'replace', path: 'members', value: [{ value: bob, display: 'x' }] };
    await world.okta('PATCH', group, patchOf(all));
    assert.deepEqual((await world.personOf(NEW.userName)).groups, []);
    assert.deepEqual((await world.personOf('bob@okta.local')).groups, ['Engineers']);
    assert.deepEqual((await world.okta('GET', group)).body.members, [
      { value: bob, display: 'bob@okta.local', type: 'User' },
    ]);
    await world.okta('PATCH', group, patchOf({ op: 'replace', path: 'members', value: [] }));
    assert.deepEqual((await world.personOf('bob@okta.local')).groups, []);
    await world.okta('PUT', group, {
      schemas: [CORE_GROUP],
      displayName: 'E',
      members: [{ value: ada }],
    });
    assert.deepEqual((await world.personOf(NEW.userName)).groups, ['E']);
    assert.equal((await world.okta('DELETE', group)).status, 204);
    assert.deepEqual((await world.personOf(NEW.userName)).groups, []);
    assert.equal((await world.okta('GET', group)).status, 404);
  });

  test('reads page by page, in one order', async () => {
    for (let i = 0; i < 7; i++) await add({ userName: `user${i}@okta.local` });
    const names: string[] = [];
    for (const startIndex of [1, 4, 7, 10]) {
      const { body } = await world.okta('GET', `/Users?startIndex=${startIndex}&count=3`);
      assert.equal(body.totalResults, 7);
      assert.equal(body.startIndex, startIndex);
      assert.equal(body.itemsPerPage, body.Resources.length);
      names.push(...body.Resources.map(({ userName }: { userName: string }) => userName));
    }
    assert.deepEqual(
      names,
      Array.from({ length: 7 }, (_, i) => `user${i}@okta.local`),
    );
    assert.equal((await world.okta('GET', '/Users?count=0')).body.totalResults, 7);
  });
});
