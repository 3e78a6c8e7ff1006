import type { AuditLog, Entry } from '../../audit/log.ts';
import type { Database, Sql } from '../../store/database.ts';
import { ScimError } from './error.ts';
import { MANY, taken } from './sync.ts';

export type ScimParts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: { forget(email: string): void };
  /** Names of the providers of the configuration. */
  readonly providers: readonly string[];
  /** Addresses of machines, in lower case: no provider speaks for them. */
  readonly machines: ReadonlySet<string>;
};

const TRIES = 5;

/** Somebody else changed the resource after it was read. */
export class Changed extends Error {
  override name = 'Changed';
}

/** Throws Changed unless the statement changed exactly one row. */
export function one({ rowCount }: { readonly rowCount: number | null }): void {
  if (rowCount !== 1) throw new Changed('the resource is not as it was read');
}

/**
 * Record and change, both or neither. What the store finds to be there already is the 409 of RFC 7644 section 3.3. A change
 * of very many `rows` follows its record by itself: it would hold up the records of statements, which share the log's
 * connection; when it fails, a second record says so.
 */
export async function record(
  { audit, db }: Pick<ScimParts, 'audit' | 'db'>,
  entry: Entry,
  within: (sql: Sql) => Promise<void>,
  rows = 1,
): Promise<void> {
  if (rows <= MANY) return refusing(() => audit.append(entry, within));
  const receipt = await audit.append(entry);
  try {
    await refusing(() => db.transaction(within));
  } catch (error) {
    await audit.append({ ...entry, body: { action: 'scim-undone', record: receipt.record } });
    throw error;
  }
}

export async function refusing(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const code = codeOf(error);
    if (code === '23505') throw taken();
    // Deadlock: two changes wait for each other, and the store has ended this one.
    if (code === '40P01') throw new Changed('another change was in the way', { cause: error });
    throw error;
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** Reads, decides and writes anew when somebody else was faster. */
export async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- each try follows from the one before
      return await work();
    } catch (error) {
      if (!(error instanceof Changed)) throw error;
      if (tried >= TRIES)
        throw new ScimError(409, 'Somebody else changes this resource at this moment. Try again.');
    }
  }
}
