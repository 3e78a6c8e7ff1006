import pg from 'pg';

/** Connects, runs `work`, and ends the connection whatever happens. */
export async function withClient<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Creates the role if it is missing and sets its password; it may log in and nothing more. */
export async function ensureRole(client: pg.Client, name: string, password: string): Promise<void> {
  const role = client.escapeIdentifier(name);
  if (!(await exists(client, 'select from pg_roles where rolname = $1', name)))
    await client.query(`create role ${role} login`);
  await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`);
}

export function databaseExists(client: pg.Client, name: string): Promise<boolean> {
  return exists(client, 'select from pg_database where datname = $1', name);
}

/** The same server, seen by another role and database. */
export function urlFor(url: string, user: string, password: string, database: string): string {
  const other = new URL(url);
  other.username = user;
  other.password = password;
  other.pathname = `/${database}`;
  return other.href;
}

async function exists(client: pg.Client, sql: string, name: string): Promise<boolean> {
  return (await client.query(sql, [name])).rowCount === 1;
}
