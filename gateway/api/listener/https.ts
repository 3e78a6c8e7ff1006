import type { RequestListener, Server as PlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { UsePem } from '../../tls.ts';

/** Milliseconds, as Fastify knows them; it sets them itself only on servers that it makes. */
type Timeouts = { readonly keepAliveTimeout?: number; readonly requestTimeout?: number };

/** Makes servers whose new connections use the certificate files as they are then; people sign in there without one. */
export function httpsFactory(
  use: UsePem,
): (handler: RequestListener, timeouts: Timeouts) => PlainServer {
  return (handler, { keepAliveTimeout, requestTimeout }) => {
    const server = createServer({ minVersion: 'TLSv1.2' }, handler);
    use(({ key, cert }) => server.setSecureContext({ key, cert, minVersion: 'TLSv1.2' }));
    if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
    if (requestTimeout !== undefined) server.requestTimeout = requestTimeout;
    return server;
  };
}
