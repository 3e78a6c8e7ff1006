import { chown, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Certificate } from '../fakes/certificates.ts';
import type { TestPostgres } from '../fakes/postgres.ts';

/**
 * Turns TLS on in a running server, or changes its certificate, with files that only its own user may read. With
 * `clientCa`, who comes over TLS must show a certificate of that authority.
 */
export async function serveCertificate(
  server: TestPostgres,
  certificate: Certificate,
  clientCa?: string,
): Promise<void> {
  const admin = new pg.Client(server.url);
  await admin.connect();
  const { rows } = await admin.query<{ data_directory: string }>('show data_directory');
  const folder = rows[0]?.data_directory ?? '';
  const own = async (name: string, text: string): Promise<void> => {
    const { uid, gid } = await stat(folder);
    await writeFile(join(folder, name), text, { mode: 0o600 });
    await chown(join(folder, name), uid, gid);
  };
  for (const part of ['key', 'cert'] as const) {
    await own(`${part}.pem`, certificate[part]);
    await admin.query(`alter system set ssl_${part}_file = '${part}.pem'`);
  }
  await own('ca.pem', clientCa ?? '');
  await admin.query(`alter system set ssl_ca_file = '${clientCa === undefined ? '' : 'ca.pem'}'`);
  await guard(join(folder, 'pg_hba.conf'), clientCa !== undefined);
  await admin.query('alter system set ssl = on');
  await admin.end();
  await server.restart();
}

const DEMAND = 'hostssl all all all scram-sha-256 clientcert=verify-ca\n';

async function guard(file: string, demanded: boolean): Promise<void> {
  const rules = (await readFile(file, 'utf8')).replace(DEMAND, '');
  await writeFile(file, demanded ? DEMAND + rules : rules);
}
