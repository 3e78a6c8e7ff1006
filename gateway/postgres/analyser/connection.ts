import { DatabaseError, type Client } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { connectClient } from './client.ts';

/** A client for the analyser's role; it has no table privileges, and everything it does runs under short timeouts. A password that is refused is looked up anew, once. */
export async function analyserClient(
  target: TargetConfig,
  database: string,
  options: Readonly<Record<string, string>>,
): Promise<Client> {
  const { user, password } = target.analyser;
  // What waits for a lock says so before it counts as slow.
  const all = { lock_timeout: '1500ms', statement_timeout: '2s', ...options };
  const settings = {
    user,
    database,
    application_name: 'countersign analyser',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    options: Object.entries(all)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
  const secret = await password();
  try {
    return await connectClient(target, { ...settings, password: secret });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const renewed = await password.renew?.(secret);
    if (renewed === undefined || renewed === secret) throw error;
    return await connectClient(target, { ...settings, password: renewed });
  }
}

/** SQLSTATE class 28: the password may have been changed. */
const isRefusal = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code?.startsWith('28') === true;
