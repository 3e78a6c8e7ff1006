import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CORE_GROUP, CORE_USER, patchOf } from '../fakes/scim.ts';
import { scimWorld, where } from './scim-world.ts';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const world = scimWorld();

describe('Entra ID', () => {
  const NAME = 'Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1';
  const EMAIL = 'Test_User_fd0ea19b-0777-472c-9f96-4f70d2226f2e@testuser.com';
  const KEY = EMAIL.toLowerCase();
  const NEW = {
    schemas: [CORE_USER, ENTERPRISE],
    externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
    userName: NAME,
    active: true,
    emails: [{ primary: true, type: 'work', value: EMAIL }],
    meta: { resourceType: 'User' },
    name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
    roles: [],
  };
  const GROUP = {
    schemas: [
      CORE_GROUP,
      'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group',
    ],
    externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
    displayName: 'displayName',
    meta: { resourceType: 'Group' },
  };
  const add = async () => (await world.entra('POST', '/Users', NEW)).body.id;

  test('tries the connection, makes somebody and finds them in its ways', async () => {
    const probe = await world.entra('GET', `/Users${where('userName eq "non-existent user"')}`);
    assert.deepEqual([probe.status, probe.body.totalResults], [200, 0]);
    const id = await add();
    assert.equal((await world.personOf(KEY)).name, 'givenName familyName');
    for (const filter of [
      `userName eq "${NAME}"`,
      `externalId eq "${NEW.externalId}"`,
      `emails[type eq "work"].value eq "${EMAIL}"`,
      `emails[type eq "work"] and active eq true`,
    ]) {
      const { body } = await world.entra('GET', `/Users${where(filter)}`);
      assert.deepEqual(
        body.Resources?.map((each: { id: string }) => each.id),
        [id],
        filter,
      );
    }
  });

  test('changes many attributes in both of its ways, and disables with a text', async () => {
    const id = await add();
    const old = patchOf(
      { op: 'Replace', path: 'displayName', value: 'Pvlo' },
      { op: 'Replace', path: 'name.givenName', value: 'Gtfd' },
      { op: 'Add', path: 'nickName', value: 'Babs' },
      { op: 'Replace', path: `${ENTERPRISE}:employeeNumber`, value: 'Eqpj' },
      { op: 'Replace', path: 'externalId', value: 'Eqpj' },
    );
    const first = await world.entra('PATCH', `/Users/${id}`, old);
    assert.equal(first.status, 200);
    assert.equal(first.body.externalId, 'Eqpj');
    const value = { displayName: 'Bjfe', 'name.familyName': 'Unua', [`${ENTERPRISE}:x`]: 'y' };
    const second = await world.entra('PATCH', `/Users/${id}`, patchOf({ op: 'replace', value }));
    assert.deepEqual(second.body.name, {
      formatted: 'givenName familyName',
      familyName: 'Unua',
      givenName: 'Gtfd',
    });
    const off = patchOf({ op: 'Replace', path: 'active', value: 'False' });
    assert.equal((await world.entra('PATCH', `/Users/${id}`, off)).body.active, false);
    assert.equal((await world.personOf(KEY)).state, 'deactivated');
    const { body } = await world.entra('GET', `/Users${where(`userName eq "${NAME}"`)}`);
    assert.equal(body.Resources[0].active, false);
    const on = patchOf({ op: 'Replace', path: 'active', value: 'True' });
    assert.equal((await world.entra('PATCH', `/Users/${id}`, on)).body.active, true);
    assert.equal((await world.personOf(KEY)).state, 'active');
  });

  test('gives somebody another address: the one from before is ended', async () => {
    const id = await add();
    const path = 'emails[type eq "work"].value';
    const change = patchOf({ op: 'Replace', path, value: 'New@testuser.com' });
    assert.equal((await world.entra('PATCH', `/Users/${id}`, change)).status, 200);
    assert.equal((await world.personOf(KEY)).state, 'gone');
    assert.equal((await world.personOf('new@testuser.com')).state, 'active');
    const { person, body } = await world.lastRecord('person');
    assert.deepEqual([person, body.action, body.to], [KEY, 'scim-rename', 'new@testuser.com']);
  });

  test('provisions a group without its members, asks who is in it, and fills it one by one', async () => {
    const user = await add();
    const made = await world.entra('POST', '/Groups', GROUP);
    assert.equal(made.status, 201);
    const group = made.body.id;
    const listed = `/Groups${where('displayName eq "displayName"')}&excludedAttributes=members`;
    assert.equal((await world.entra('GET', listed)).body.Resources[0].id, group);
    const asked = `/Groups${where(`id eq "${group}" and members eq "${user}"`)}&excludedAttributes=members`;
    assert.equal((await world.entra('GET', asked)).body.totalResults, 0);
    const add1 = patchOf({ op: 'Add', path: 'members', value: [{ $ref: null, value: user }] });
    assert.equal((await world.entra('PATCH', `/Groups/${group}`, add1)).status, 204);
    const { body } = await world.entra('GET', asked);
    assert.equal(body.totalResults, 1);
    assert.equal('members' in body.Resources[0], false);
    // Mapped by its object id, whatever it is called.
    assert.deepEqual((await world.personOf(KEY)).groups, ['dba']);
    const away = patchOf({ op: 'Remove', path: 'members', value: [{ $ref: null, value: user }] });
    assert.equal((await world.entra('PATCH', `/Groups/${group}`, away)).status, 204);
    assert.deepEqual((await world.personOf(KEY)).groups, []);
    assert.ok(world.forgotten.includes(KEY));
  });

  test('deletes somebody, and who comes back is bound to no account of before', async () => {
    const id = await add();
    await world.store.db.pool.query(`update countersign.person set subject = 'old'`);
    assert.equal((await world.entra('DELETE', `/Users/${id}`)).status, 204);
    assert.equal((await world.entra('DELETE', `/Users/${id}`)).status, 404);
    const gone = await world.personOf(KEY);
    assert.deepEqual([gone.state, gone.scim], ['gone', false]);
    await add();
    const { rows } = await world.store.db.pool.query(
      'select state, subject from countersign.person',
    );
    assert.deepEqual(rows, [{ state: 'active', subject: null }]);
  });
});
