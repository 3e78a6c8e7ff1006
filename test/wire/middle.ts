import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import * as codec from '#gateway/postgres/codec.ts';
import type { Certificate } from '../fakes/certificates.ts';

/**
 * Somebody in the middle: ends the client's TLS with a certificate of their own, and opens another to the server. `change`
 * sees each chunk that the server sends.
 */
export async function listenBetween(
  serverPort: number,
  certificate: Certificate,
  change: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const secureContext = tls.createSecureContext(certificate);
  const keep = <T extends net.Socket>(socket: T): T => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    return socket;
  };
  const serve = async (raw: net.Socket): Promise<void> => {
    await once(raw, 'data');
    raw.write('S');
    const client = keep(new tls.TLSSocket(raw, { isServer: true, secureContext }));
    const further = keep(net.connect(serverPort, '127.0.0.1'));
    further.write(codec.sslRequest());
    await once(further, 'data');
    const server = keep(tls.connect({ socket: further, rejectUnauthorized: false }));
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk: Buffer) => client.write(change(chunk)));
    client.on('close', () => server.destroy());
    server.on('close', () => client.end());
  };
  const server = net.createServer((raw) => {
    serve(keep(raw)).catch(() => raw.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Takes SCRAM-SHA-256-PLUS out of a server's offer. */
export function withoutPlus(chunk: Buffer): Buffer {
  const both = codec.authenticationSasl(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
  return chunk.equals(both) ? codec.authenticationSasl(['SCRAM-SHA-256']) : chunk;
}
