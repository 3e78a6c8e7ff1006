import tls from 'node:tls';
import type { Idp } from '../idp.ts';

/**
 * In this process the real names of these providers lead to the fakes, and `ca` is trusted for them, so that a
 * configuration can be tried as it is. Returns how to undo it.
 */
export function leadTo(providers: readonly Idp[], ca: string): () => void {
  const ports = new Map(providers.map(({ issuer, port }) => [new URL(issuer).hostname, port]));
  const real = tls.connect;
  const led = (options: tls.ConnectionOptions, ...rest: readonly (() => void)[]) => {
    const port = ports.get(options.servername ?? options.host ?? '');
    return port === undefined
      ? real(options, ...rest)
      : real({ ...options, host: '127.0.0.1', port, ca }, ...rest);
  };
  tls.connect = led as typeof tls.connect;
  return () => void (tls.connect = real);
}
