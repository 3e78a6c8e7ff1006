import { type Database, openDatabase } from '#src/store/database.ts';
import { migrate } from '#src/store/migrate.ts';
import { startPostgres, type TestPostgres } from '../../fakes/postgres.ts';

export type TestStore = {
  readonly db: Database;
  readonly postgres: TestPostgres;
  close(): Promise<void>;
};

/** A migrated store on a PostgreSQL of its own; connections that break are expected by the tests that break them. */
export async function startStore(): Promise<TestStore> {
  const postgres = await startPostgres();
  const db = openDatabase(postgres.url, { onError: () => undefined });
  await migrate(db);
  return {
    db,
    postgres,
    async close() {
      await db.close();
      await postgres.stop();
    },
  };
}
