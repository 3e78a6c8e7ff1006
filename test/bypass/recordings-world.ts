import type { RecordingEvent } from '#src/recording/port.ts';
import { openDatabase } from '#src/store/database.ts';
import { openVault } from '#src/identity/vault.ts';
import { storeInFolder, storeInPostgres } from '#src/recording/chunk-store.ts';
import { Reader } from '#src/recording/reader.ts';
import { eventually, startGateway, type TestGateway, type Who } from '../fakes/gateway.ts';

/** No detector knows it: what hides it is the rule on its column. */
export const CANARY = 'zebra quartz';

export const RULES = `
  @id("people") permit (principal in Group::"engineering", action, resource in Target::"shop");
  @id("connect") permit (principal in Group::"engineering", action == Action::"connect", resource == Target::"shop");
  @id("code") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/vault/code") unless { principal in Group::"security" };
  @id("half") @mask("last4") forbid (principal, action == Action::"reveal", resource == Column::"shop/public/vault/half") unless { principal in Group::"security" };
  @id("short") @recording("rows=2") permit (principal in Group::"engineering", action == Action::"read", resource == Table::"shop/public/brief");
  @id("never") @recording("none") permit (principal in Group::"engineering", action == Action::"read", resource == Table::"shop/public/silent");
  @id("fixed") @message("tables stay as they are") forbid (principal, action == Action::"define", resource in Target::"shop");
  @id("held") @hold("dba") forbid (principal, action == Action::"delete", resource == Table::"shop/public/brief");
`;

export const SCHEMA = `
  create table vault (id int primary key, note text, code text, half text);
  insert into vault select n, 'note ' || n, '${CANARY} ' || n, '${CANARY} ' || n from generate_series(1, 5) n;
  create table brief as select n as id, 'brief' || n as v from generate_series(1, 10) n;
  create table silent as select n as id, 'silent' || n as v from generate_series(1, 10) n;
  create table lots as select n as id, repeat('lots ' || n || ' ', 20) as v from generate_series(1, 30000) n;
  create table wide as select 1 as id, repeat('w', 3000000) as v;
  create table kinds (b bool, i int, l bigint, f float8, n numeric, t text, u uuid, j jsonb, d date, ts timestamptz, y bytea, a int[]);
  insert into kinds values (true, -7, 9000000000, 1.5, -12345.0670, 'text', '11111111-2222-3333-4444-555555555555', '{"a": 1}',
    '2026-11-21', '2026-11-21 12:00:00+00', '\\x00ff', '{1,2}');
  create function loud(v text) returns text language plpgsql as $$ begin raise notice 'saw %', v; raise exception 'bad %', v; end $$;
`;

export type World = {
  readonly gateway: TestGateway;
  /** The recording of the newest session of this person that has ended, as it is stored. */
  recorded(who: Who): Promise<readonly RecordingEvent[]>;
  stop(): Promise<void>;
};

export async function startRecorded(
  options: Parameters<typeof startGateway>[0] = {},
  folder?: string,
): Promise<World> {
  const gateway = await startGateway({ onlyRules: RULES, schema: SCHEMA, ...options });
  const { store, dataDir } = gateway.config;
  if (store.postgres === 'embedded') throw new Error('the tests have a store of their own');
  const db = openDatabase(store.postgres.url, { max: 2, onError: () => undefined });
  const chunks = folder === undefined ? storeInPostgres(db) : storeInFolder(folder);
  const reader = new Reader({ db, chunks, vault: await openVault(dataDir) });
  const read = async (session: string): Promise<RecordingEvent[]> => {
    const events: RecordingEvent[] = [];
    for await (const event of reader.read(session)) events.push(event);
    return events;
  };
  return {
    gateway,
    async recorded(who) {
      const session = await eventually('the end of the recording', async () => {
        const { rows } = await gateway.storeSql.query(
          `select s.id, r.ended_at from countersign.session s left join countersign.recording r on r.session = s.id
           where s.person = $1 order by s.started_at desc limit 1`,
          [`${who}@example.com`],
        );
        return rows[0]?.ended_at ? String(rows[0].id) : undefined;
      });
      return read(session);
    },
    async stop() {
      await db.close();
      await gateway.stop();
    },
  };
}
