import { randomBytes } from 'node:crypto';
import type { Sql } from './database.ts';

/** The installation's secret of this name, 32 bytes; made at the first question. */
export async function installationSecret(sql: Sql, name: string): Promise<Buffer> {
  await sql.query(
    'insert into countersign.secret (name, value) values ($1, $2) on conflict do nothing',
    [name, randomBytes(32)],
  );
  const { rows } = await sql.query<{ value: Buffer }>(
    'select value from countersign.secret where name = $1',
    [name],
  );
  if (!rows[0]) throw new Error(`the store has no secret ${name}`);
  return rows[0].value;
}
