import type { ConnectionOptions } from 'node:tls';
import type { TargetConfig, TargetTlsConfig } from '#src/config/config.ts';
import { readTargetPem, type TargetPem } from '#src/config/tls.ts';

/** What was good before: files that are just being replaced, or were replaced by bad ones, end no new session. */
const good = new WeakMap<TargetTlsConfig, TargetPem>();

/**
 * How every connection to this target is encrypted; the files are read anew each time. `servername` is for the caller,
 * where the host is a name. Rejects when the files cannot be used and never could.
 */
export async function targetEncryption({
  host,
  tls,
}: Pick<TargetConfig, 'host' | 'tls'>): Promise<ConnectionOptions | false> {
  if (tls.mode === 'disable') return false;
  const pem = await readTargetPem(tls).catch((error: unknown) => {
    const before = good.get(tls);
    if (!before) throw error;
    return before;
  });
  good.set(tls, pem);
  return {
    // Compared with the certificate's names and IP addresses.
    host,
    ALPNProtocols: ['postgresql'],
    minVersion: 'TLSv1.2',
    // As libpq does: with a CA, even `require` checks the chain, and only verify-full the name.
    rejectUnauthorized: tls.mode === 'verify-full' || pem.ca !== undefined,
    ...(tls.mode === 'require' && { checkServerIdentity: () => undefined }),
    ...pem,
  };
}
