import { X509Certificate, constants } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import type { ServerPem } from '#src/config/tls.ts';
import { serverEndPoint } from '../end-point.ts';
import { GoneAway } from '../reading.ts';

/** What handshakes are made with until the files change. */
export type Encryption = {
  readonly context: tls.SecureContext;
  /** For SCRAM-SHA-256-PLUS; undefined for a certificate that no channel can be bound to. */
  readonly endPoint: Buffer | undefined;
  /** Clients are asked for a certificate. */
  readonly asks: boolean;
};

/** An encrypted connection. */
export type Secured = {
  readonly socket: tls.TLSSocket;
  readonly encryption: Encryption;
};

/** Throws when OpenSSL cannot use the texts. */
export function makeEncryption({ key, cert, clientCa }: ServerPem, asks: boolean): Encryption {
  const context = tls.createSecureContext({
    key,
    cert,
    minVersion: 'TLSv1.2',
    // As PostgreSQL has it: each connection proves itself anew, and a resumed session cannot bring an old proof along.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    ...(clientCa !== undefined && { ca: clientCa }),
  });
  return { context, endPoint: serverEndPoint(new X509Certificate(cert).raw), asks };
}

/** The server's side of a handshake; `direct` when it began without an SSLRequest. Rejects with GoneAway. */
export async function encryptServer(
  raw: net.Socket,
  encryption: Encryption,
  direct: boolean,
): Promise<Secured> {
  const socket = new tls.TLSSocket(raw, {
    isServer: true,
    secureContext: encryption.context,
    ALPNProtocols: ['postgresql'],
    // Asked for here, judged once it is known whose it should be: then the client can be told what is wrong.
    requestCert: encryption.asks,
    rejectUnauthorized: false,
  });
  socket.on('error', () => raw.destroy());
  socket.pause();
  await new Promise<void>((resolve, reject) => {
    socket.once('secure', resolve);
    raw.once('close', () => reject(new GoneAway('the TLS handshake failed')));
  });
  // Without ALPN, another protocol's TLS could be led here (ALPACA); PostgreSQL demands it as well.
  if (direct && socket.alpnProtocol !== 'postgresql') throw new GoneAway('direct TLS without ALPN');
  return { socket, encryption };
}
