import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { TestPostgres } from '../fakes/postgres.ts';
import type { Certificate } from '../fakes/certificates.ts';

/** Turns TLS on in a running server, with files that only its own user may read. */
export async function serveCertificate(
  server: TestPostgres,
  certificate: Certificate,
): Promise<void> {
  const admin = new pg.Client(server.url);
  await admin.connect();
  const { rows } = await admin.query<{ data_directory: string }>('show data_directory');
  const folder = rows[0]?.data_directory ?? '';
  const { uid, gid } = await stat(folder);
  for (const part of ['key', 'cert'] as const) {
    const file = join(folder, `${part}.pem`);
    await writeFile(file, certificate[part], { mode: 0o600 });
    await chown(file, uid, gid);
    await admin.query(`alter system set ssl_${part}_file = '${part}.pem'`);
  }
  await admin.query('alter system set ssl = on');
  await admin.end();
  await server.restart();
}
