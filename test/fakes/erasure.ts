import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { EraseParts } from '#src/audit/erasure/job.ts';
import { openAuditLog } from '#src/audit/writer.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { openDatabase } from '#src/store/database.ts';

export type Eraser = EraseParts & {
  /** Sessions whose chunks were to be removed from a folder. */
  readonly removed: string[];
  close(): Promise<void>;
};

/** Erases on this store as the command line does: as the owner, with a writer of its own. */
export async function openEraser(
  url: string,
  {
    keys: held,
    ...more
  }: Partial<Pick<EraseParts, 'configured' | 'failpoint' | 'removeChunks'>> & {
    readonly keys?: Parameters<typeof openKeys>[0];
  } = {},
): Promise<Eraser> {
  const owner = openDatabase(url, { max: 3, onError: () => undefined });
  const keys = held === undefined ? undefined : await openKeys(held, () => undefined);
  const audit = await openAuditLog({
    db: owner,
    writer: `eraser-${randomUUID()}`,
    epoch: 1,
    held: () => true,
    onError: assert.ifError,
    ...(keys && { signing: { keys } }),
  });
  const removed: string[] = [];
  return {
    owner,
    audit,
    configured: [],
    removeChunks: async (session) => void removed.push(session),
    ...more,
    removed,
    async close() {
      await audit.close();
      await keys?.close();
      await owner.close();
    },
  };
}

/** Dies at this step, once; then it is as if another process went on. */
export function diesAt(point: string): (at: string) => void {
  let dead = false;
  return (at) => {
    if (dead || at !== point) return;
    dead = true;
    throw new Error(`killed at ${point}`);
  };
}

type Column = {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
};

/** `table.column` of every place in the store, the queue's too, that holds one of these texts, in any case. */
export async function placesOf(sql: pg.Client, texts: readonly string[]): Promise<string[]> {
  const { rows } = await sql.query<Column>(
    `select n.nspname as schema, c.relname as table, a.attname as column, format_type(a.atttypid, null) as type
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('countersign', 'bullmq') and c.relkind in ('r', 'p') and not c.relispartition
       and a.attnum > 0 and not a.attisdropped`,
  );
  const found: string[] = [];
  for (const { schema, table, column, type } of rows) {
    const text = type === 'bytea' ? `encode("${column}", 'escape')` : `"${column}"::text`;
    for (const one of texts) {
      // oxlint-disable-next-line no-await-in-loop -- one connection
      const { rowCount } = await sql.query(
        `select from "${schema}"."${table}" where strpos(lower(${text}), $1) > 0 limit 1`,
        [one.toLowerCase()],
      );
      if (rowCount) found.push(`${table}.${column}: ${one}`);
    }
  }
  return found;
}
