import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import sasl, { type SaslSession } from 'pg/lib/crypto/sasl.js';
import {
  ServerMessage,
  cancelRequest,
  parseAuthentication,
  parseError,
  parseSaslMechanisms,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
} from '#gateway/postgres/codec.ts';
import { serverEndPoint } from '#gateway/postgres/end-point.ts';
import { Fatal } from '#gateway/postgres/fatal.ts';
import { readExactly, readMessage } from '#gateway/postgres/reading.ts';

/** Where the gateway is, and as whom to come. */
export type Upstream = {
  readonly host: string;
  readonly port: number;
  readonly ssl: false | tls.ConnectionOptions;
  readonly email: string;
  readonly token: string;
};

const CONNECT_MS = 15_000;
/** Rules may make the gateway's sentences long. */
const LARGEST = 65_536;
const MAX_ITERATIONS = 100_000;

/** The gateway did not let us in; its message is for the local client. */
export class NotAdmitted extends Fatal {}

/** A connection to the gateway behind AuthenticationOk, paused; the rest of its start is unread. Rejects with Fatal. */
export async function openUpstream(
  to: Upstream,
  parameters: ReadonlyMap<string, string>,
  minor: 0 | 2,
): Promise<Duplex> {
  const socket = await dial(to);
  const deadline = setTimeout(() => socket.destroy(), CONNECT_MS);
  try {
    socket.write(startupMessage(parameters, minor));
    await authenticate(socket, to);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error instanceof Fatal ? error : unreachable(to, error);
  } finally {
    clearTimeout(deadline);
  }
}

/** Passes a CancelRequest on; the gateway knows whose key it is. */
export async function cancelUpstream(to: Upstream, pid: number, secret: Buffer): Promise<void> {
  const socket = await dial(to);
  socket.end(cancelRequest(pid, secret));
  socket.resume();
  await once(socket, 'close', { signal: AbortSignal.timeout(CONNECT_MS) }).catch(() => undefined);
  socket.destroy();
}

async function dial(to: Upstream): Promise<net.Socket> {
  const raw = net.connect({ host: to.host, port: to.port, noDelay: true, keepAlive: true });
  const signal = AbortSignal.timeout(CONNECT_MS);
  try {
    await once(raw, 'connect', { signal });
    // What fails later is seen as the end of the stream.
    raw.on('error', () => undefined);
    if (to.ssl === false) return raw;
    raw.write(sslRequest());
    const [answer] = await readExactly(raw, 1);
    if (answer !== 0x53) throw new Error('it has no TLS');
    // `host` is what the certificate must be of; for an address there is no `servername`.
    const alpn = { host: to.host, socket: raw, ALPNProtocols: ['postgresql'] };
    const secure = tls.connect({ ...to.ssl, ...alpn });
    await once(secure, 'secureConnect', { signal });
    secure.on('error', () => undefined);
    return secure;
  } catch (error) {
    raw.destroy();
    throw unreachable(to, error);
  }
}

const unreachable = ({ host, port }: Upstream, cause: unknown): Fatal =>
  new Fatal('08001', `the gateway at ${host}:${port} cannot be reached: ${textOf(cause)}`, {
    hint: 'Is the network (VPN) up? countersign login asks the gateway anew where it listens.',
    cause,
  });

const textOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message || cause.name : 'the connection broke';

/** Up to AuthenticationOk. A gateway that has not proven that it knows the token is not believed. */
async function authenticate(socket: net.Socket, to: Upstream): Promise<void> {
  const channel = boundTo(socket);
  let session: SaslSession | undefined;
  let proven = false;
  for (;;) {
    const { kind, data } = await authentication(socket);
    if (kind === 0 && proven) return;
    if (kind === 10) {
      session = sasl.startSession(parseSaslMechanisms(data), channel, MAX_ITERATIONS);
      socket.write(saslInitialResponse(session.mechanism, session.response));
    } else if (kind === 11 && session) {
      await sasl.continueSession(session, to.token, data.toString('utf8'), channel);
      socket.write(saslResponse(session.response));
    } else if (kind === 12 && session) {
      sasl.finalizeSession(session, data.toString('utf8'));
      proven = true;
    } else throw new Error('it asks for the token in a way that would give it away');
  }
}

function boundTo(socket: net.Socket): tls.TLSSocket | null {
  if (!(socket instanceof tls.TLSSocket)) return null;
  return serverEndPoint(socket.getPeerCertificate().raw) === undefined ? null : socket;
}

async function authentication(socket: Duplex): Promise<ReturnType<typeof parseAuthentication>> {
  const { type, body } = await readMessage(socket, LARGEST);
  if (type === ServerMessage.Authentication) return parseAuthentication(body);
  if (type !== ServerMessage.ErrorResponse) throw new Error('it speaks another protocol');
  const fields = parseError(body);
  const detail = fields.get('D');
  const hint = fields.get('H');
  throw new NotAdmitted(
    fields.get('C') ?? '28000',
    (fields.get('M') ?? '').replace(/^countersign: /u, ''),
    {
      ...(detail !== undefined && { detail }),
      ...(hint !== undefined && { hint }),
    },
  );
}
