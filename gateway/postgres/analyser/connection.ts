import type { Client } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { connectClient } from './client.ts';

/** A client for the analyser's role; it has no table privileges, and everything it does runs under short timeouts. */
export async function analyserClient(
  target: TargetConfig,
  database: string,
  options: Readonly<Record<string, string>>,
): Promise<Client> {
  const all = { lock_timeout: '2s', statement_timeout: '2s', ...options };
  return connectClient(target, {
    user: target.analyser.user,
    password: await target.analyser.password(),
    database,
    application_name: 'countersign analyser',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    options: Object.entries(all)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  });
}
