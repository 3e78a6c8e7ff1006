import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { Database } from '../store/database.ts';
import type { ChunkStore } from './port.ts';

/** In table `recording_chunk`. */
export function storeInPostgres({ pool }: Pick<Database, 'pool'>): ChunkStore {
  return {
    async put(session, chunk, sealed) {
      await pool.query(
        `insert into countersign.recording_chunk (session, chunk, sealed) values ($1, $2, $3)
         on conflict (session, chunk) do update set sealed = excluded.sealed`,
        [session, chunk, sealed],
      );
    },
    async get(session, chunk) {
      const { rows } = await pool.query<{ sealed: Buffer }>(
        'select sealed from countersign.recording_chunk where session = $1 and chunk = $2',
        [session, chunk],
      );
      return rows[0]?.sealed;
    },
    async list(session) {
      const { rows } = await pool.query<{ chunk: number }>(
        'select chunk from countersign.recording_chunk where session = $1 order by chunk',
        [session],
      );
      return rows.map(({ chunk }) => chunk);
    },
    async remove(session) {
      await pool.query('delete from countersign.recording_chunk where session = $1', [session]);
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NAME = /^(\d{8})\.chunk$/;

/** One folder a session, one file a chunk; several gateways may share it. */
export function storeInFolder(folder: string): ChunkStore {
  const of = (session: string): string => {
    if (!UUID.test(session)) throw new Error(`${session} is not the id of a session`);
    return join(folder, session);
  };
  const file = (session: string, chunk: number): string =>
    join(of(session), `${String(chunk).padStart(8, '0')}.chunk`);
  return {
    async put(session, chunk, sealed) {
      await mkdir(of(session), { recursive: true, mode: 0o700 });
      await write(of(session), file(session, chunk), sealed);
    },
    get: (session, chunk) => readFile(file(session, chunk)).catch(unlessMissing(undefined)),
    async list(session) {
      const names = await readdir(of(session)).catch(unlessMissing<string[]>([]));
      const numbers = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
      return numbers.toSorted((a, b) => a - b);
    },
    remove: (session) => rm(of(session), { recursive: true, force: true }),
  };
}

/** Durable and whole, or not there: written beside, synced, renamed, and the folder synced. */
async function write(folder: string, path: string, bytes: Buffer): Promise<void> {
  const beside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await using written = await open(beside, 'wx', 0o600);
    await written.writeFile(bytes);
    await written.sync();
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await using entry = await open(folder, 'r');
  await entry.sync();
}

const unlessMissing =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return instead;
    throw error;
  };
