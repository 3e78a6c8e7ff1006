import assert from 'node:assert/strict';
import { after, before, beforeEach } from 'node:test';
import fastify, { type FastifyInstance } from 'fastify';
import { registerScim } from '#gateway/scim/routes.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { NO_PROVIDERS } from '#src/config/identity.ts';
import { openScim } from '#src/identity/scim/service.ts';
import { scimClient, scimProvider, TOKEN, type ScimClient } from '../fakes/scim.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

export const where = (filter: string): string => `?filter=${encodeURIComponent(filter)}`;

export type ScimWorld = {
  store: TestStore;
  base: string;
  okta: ScimClient;
  entra: ScimClient;
  /** As at a start with these providers. */
  open(providers: readonly string[], groups?: ReadonlyMap<string, string>): Promise<unknown>;
  /** Whom the directory was told to ask about again. */
  forgotten: string[];
  personOf(email: string): Promise<any>;
  lastRecord(kind: string): Promise<any>;
};

const GROUPS: ReadonlyMap<string, string> = new Map([
  ['8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159', 'dba'],
  ['Engineers', 'engineering'],
]);

/** The service over a store of its own, with the providers okta and entra; emptied before each test of the file. */
export function scimWorld(): ScimWorld {
  const forgotten: string[] = [];
  const world = { forgotten } as unknown as ScimWorld;
  let audit: OpenAuditLog;
  let app: FastifyInstance;

  before(async () => {
    const store = await startStore();
    audit = await openAuditLog({
      db: store.db,
      writer: 'test',
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });
    app = fastify();
    const open = (names: readonly string[], groups = GROUPS) => {
      const providers = new Map([
        ['okta', scimProvider('okta', { domains: ['okta.local'] })],
        ['entra', scimProvider('entra', { domains: ['testuser.com'], groups })],
      ]);
      return openScim({
        db: store.db,
        audit,
        directory: { forget: (email) => void forgotten.push(email) },
        identity: {
          ...NO_PROVIDERS,
          providers: new Map([...providers].filter(([name]) => names.includes(name))),
        },
        publicUrl: 'https://countersign.example.com',
      });
    };
    const services = await open(['okta', 'entra']);
    await app.register((told) => registerScim(told, { services, audit }), { prefix: '/scim' });
    const base = await app.listen({ host: '127.0.0.1', port: 0 });
    Object.assign(world, {
      store,
      base,
      open,
      okta: scimClient(`${base}/scim/okta/v2`, `okta-${TOKEN}`),
      entra: scimClient(`${base}/scim/entra/v2`, `entra-${TOKEN}`),
      async personOf(email: string) {
        const { rows } = await store.db.pool.query(
          'select name, groups, state, scim, provider from countersign.person where email = $1',
          [email],
        );
        return rows[0];
      },
      async lastRecord(kind: string) {
        const { rows } = await store.db.pool.query(
          `select person, body::jsonb -> 'body' as body from countersign.record_body
           where kind = $1 order by at desc, id limit 1`,
          [kind],
        );
        return rows[0];
      },
    });
  });
  after(async () => {
    await app.close();
    await audit.close();
    await world.store.close();
  });
  beforeEach(async () => {
    await world.store.db.pool.query(
      'truncate countersign.scim_user, countersign.scim_group, countersign.scim_member, countersign.person',
    );
    forgotten.length = 0;
  });
  return world;
}
