import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  ClientMessage,
  ProtocolViolation,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  parseSaslInitialResponse,
} from '#gateway/postgres/codec.ts';
import { Fatal } from '#gateway/postgres/fatal.ts';
import { GoneAway, readMessage } from '#gateway/postgres/reading.ts';
import { fatalMessage } from '#gateway/postgres/refusal.ts';
import { startUp } from '#gateway/postgres/startup.ts';
import { ITERATIONS, scramKeys, startScram } from '#src/identity/scram.ts';
import { cancelUpstream, openUpstream, type Upstream } from './upstream.ts';

/** Where local clients connect. */
export type LocalEnd = {
  /** An address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** Undefined for a socket: its folder is closed to everybody else. */
  readonly password: string | undefined;
  close(): Promise<void>;
};

export type LocalOptions = {
  /** A free port when 0. */
  readonly at: { readonly port: number } | { readonly below: string };
  /** As the gateway's clients write it: `target` or `target/database`. */
  readonly target: string;
  /** Asked at every connection, so that a new sign-in counts at once. Rejects with Fatal. */
  upstream(): Promise<Upstream>;
  /** Hears why a connection did not come about. */
  failed(error: Error): void;
};

/** PostgreSQL's own number, in the name of the socket. */
const SOCKET_PORT = 5432;
const STARTUP_MS = 10_000;
const LARGEST_SASL = 4096;
const MOST = 200;

/**
 * Listens for local clients, and signs each in at the gateway. Every user of the machine can reach a port of 127.0.0.1,
 * so a port asks for a random password; a socket lies in a folder of mode 0700.
 */
export async function openLocalEnd(options: LocalOptions): Promise<LocalEnd> {
  const { at } = options;
  const folder = 'below' in at ? await mkdtemp(join(at.below, 'countersign-')) : undefined;
  const password = folder === undefined ? randomBytes(24).toString('base64url') : undefined;
  const secrets = password === undefined ? undefined : secretsOf(password);
  const open = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true });
  server.maxConnections = MOST;
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
    void serve(socket, options, secrets);
  });
  if (folder !== undefined) server.listen(join(folder, `.s.PGSQL.${SOCKET_PORT}`));
  else server.listen('port' in at ? at.port : 0, '127.0.0.1');
  await once(server, 'listening');
  server.on('error', (error) => options.failed(error));
  const bound = server.address();
  return {
    host: folder ?? '127.0.0.1',
    port: bound !== null && typeof bound === 'object' ? bound.port : SOCKET_PORT,
    password,
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

type Secrets = Parameters<typeof startScram>[1];

function secretsOf(password: string): Secrets {
  const salt = randomBytes(16);
  return {
    salt,
    iterations: ITERATIONS,
    verifiers: [{ token: 'local', ...scramKeys(password, salt) }],
  };
}

/** One local client, from its first byte to its last. Never rejects. */
async function serve(
  socket: net.Socket,
  options: LocalOptions,
  secrets: Secrets | undefined,
): Promise<void> {
  const deadline = setTimeout(() => socket.destroy(), STARTUP_MS);
  try {
    const startup = await startUp(socket, { encrypt: undefined, loopback: true });
    if (startup.kind === 'cancel') {
      clearTimeout(deadline);
      await cancelUpstream(await options.upstream(), startup.pid, startup.secret);
      socket.destroy();
      return;
    }
    if (secrets) await demandPassword(socket, secrets);
    clearTimeout(deadline);
    const upstream = await options.upstream();
    const parameters = new Map(
      [...startup.parameters].filter(([name]) => !name.startsWith('_pq_.')),
    );
    parameters.set('user', upstream.email);
    parameters.set(
      'database',
      databaseOf(
        startup.parameters.get('database'),
        startup.parameters.get('user'),
        options.target,
      ),
    );
    const gateway = await openUpstream(upstream, parameters, startup.minor);
    socket.write(authenticationOk());
    const both = [pipeline(socket, gateway), pipeline(gateway, socket)];
    await Promise.allSettled(both);
  } catch (error) {
    dismiss(socket, error);
    if (error instanceof Error && !(error instanceof GoneAway)) options.failed(error);
  } finally {
    clearTimeout(deadline);
  }
}

async function demandPassword(socket: net.Socket, secrets: Secrets): Promise<void> {
  socket.write(authenticationSasl(['SCRAM-SHA-256']));
  const initial = parseSaslInitialResponse(await saslMessage(socket));
  const scram = initial.mechanism === 'SCRAM-SHA-256' && startScram(initial.data, secrets);
  if (!scram) throw new Fatal('08P01', 'malformed SCRAM message');
  socket.write(authenticationSaslContinue(scram.serverFirst));
  const proof = scram.finish((await saslMessage(socket)).toString('utf8'));
  if (!proof)
    throw new Fatal('28P01', 'this is not the password of this local port', {
      hint: 'countersign connect has printed it in its address; it is another one each time.',
    });
  socket.write(authenticationSaslFinal(proof.serverFinal));
}

async function saslMessage(socket: net.Socket): Promise<Buffer> {
  const { type, body } = await readMessage(socket, LARGEST_SASL);
  if (type !== ClientMessage.Password) throw new Fatal('08P01', 'expected a SASL response');
  return body;
}

/** The target that was named, or with `\c other` another database of it. A client that names none sends the user. */
export function databaseOf(
  asked: string | undefined,
  user: string | undefined,
  target: string,
): string {
  if (asked === undefined || asked === '' || asked === user || asked === target) return target;
  const [name = ''] = target.split('/');
  return asked.startsWith(`${name}/`) || asked === name ? asked : `${name}/${asked}`;
}

function dismiss(socket: net.Socket, error: unknown): void {
  if (socket.destroyed) return;
  const fatal =
    error instanceof Fatal
      ? error
      : error instanceof ProtocolViolation
        ? new Fatal(error.sqlstate, error.message)
        : undefined;
  if (fatal) socket.write(fatalMessage(fatal.sqlstate, fatal));
  socket.end(() => socket.destroy());
  socket.resume();
}
