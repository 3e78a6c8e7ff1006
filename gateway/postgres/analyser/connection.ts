import { Client, type ClientConfig } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';

/** A client for the analyser's role; it has no table privileges, and everything it does runs under short timeouts. */
export async function analyserClient(
  target: TargetConfig,
  database: string,
  options: Readonly<Record<string, string>>,
): Promise<Client> {
  const all = { lock_timeout: '2s', statement_timeout: '2s', ...options };
  const config: ClientConfig = {
    host: target.host,
    port: target.port,
    user: target.analyser.user,
    password: await target.analyser.password(),
    database,
    ssl: tls(target),
    application_name: 'countersign analyser',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    options: Object.entries(all)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
  const client = new Client(config);
  // A connection that breaks while idle must not end the process; its owner sees it at the next use.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

function tls(target: TargetConfig): ClientConfig['ssl'] {
  const { mode, ca } = target.tls;
  if (mode === 'disable') return false;
  return { rejectUnauthorized: mode === 'verify-full', ...(ca !== undefined && { ca }) };
}
