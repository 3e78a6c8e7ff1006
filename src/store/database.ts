import pg from 'pg';

/** Anything that runs SQL: the pool, or a client inside a transaction. */
export type Sql = Pick<pg.ClientBase, 'query'>;

export type Database = {
  readonly pool: pg.Pool;
  readonly url: string;
  /** A dedicated connection outside the pool (the log's writer, the lease, LISTEN). The caller ends it. */
  connect(): Promise<pg.Client>;
  /** Runs `work` in one transaction; rolls back and rejects when it throws or leaves the transaction failed. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

const SESSION =
  '-c synchronous_commit=on -c search_path=pg_catalog,pg_temp -c idle_in_transaction_session_timeout=60s';

/** Opens the store. Connects lazily; `onError` hears of connections that break while idle. */
export function openDatabase(
  url: string,
  options: { readonly max?: number; readonly onError: (error: Error) => void },
): Database {
  const settings = {
    connectionString: url,
    options: SESSION,
    keepAlive: true,
    application_name: 'countersign',
  };
  const pool = new pg.Pool({
    ...settings,
    connectionTimeoutMillis: 5_000,
    max: options.max ?? 10,
  });
  pool.on('error', options.onError);
  return {
    pool,
    url,
    async connect() {
      const client = new pg.Client({ ...settings, connectionTimeoutMillis: 2_000 });
      client.on('error', options.onError);
      await client.connect();
      return client;
    },
    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work(client);
        // PostgreSQL answers ROLLBACK, not an error, when a swallowed error had failed the transaction.
        const { command } = await client.query('commit');
        if (command !== 'COMMIT') throw new Error('the transaction had failed and was rolled back');
        return result;
      } catch (error) {
        await client.query('rollback').catch((cause: Error) => {
          broken = cause;
        });
        throw error;
      } finally {
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}
