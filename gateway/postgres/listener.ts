import net from 'node:net';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Address, ClientCert } from '#src/config/config.ts';
import type { Certificates } from '#src/identity/certificates.ts';
import type { Person } from '#src/identity/person.ts';
import type { UsePem } from '../tls.ts';
import { authenticate, type Asked, type Authenticated } from './authenticate.ts';
import type { Cancels } from './cancel.ts';
import { ProtocolViolation } from './codec.ts';
import { Fatal } from './fatal.ts';
import { certificateLogin } from './listener/certificate-login.ts';
import { checkClientCertificate } from './listener/client-certificate.ts';
import {
  encryptServer,
  makeEncryption,
  type Encryption,
  type Secured,
} from './listener/encryption.ts';
import { GoneAway } from './reading.ts';
import { fatalMessage } from './refusal.ts';
import { readSettings } from './settings.ts';
import { startUp, type Startup } from './startup.ts';

/** A person who has shown who they are; nothing was sent behind AuthenticationOk yet. */
export type Client = {
  /** Paused; `noDelay` and keepalive are set. */
  readonly socket: Duplex;
  /** Bytes that came behind the startup. */
  readonly head: Buffer;
  readonly person: Person;
  /** Acts for the person: the token is theirs together. */
  readonly agent?: string;
  /** Id of the token that was used. */
  readonly token: string;
  /** As the client wrote it: it may not exist. */
  readonly target: string;
  readonly database: string | undefined;
  /** Settings for the target's startup message. */
  readonly parameters: ReadonlyMap<string, string>;
  /** `reason`, `purpose`. */
  readonly countersign: ReadonlyMap<string, string>;
  /** Everything that the client wrote for the server: what an unrestricted session is opened with. */
  readonly untouched: ReadonlyMap<string, string>;
  /** Any other session is refused for this. */
  readonly refused?: Fatal;
  readonly application: string;
  readonly address: string;
  readonly minor: 0 | 2;
  readonly tls: boolean;
  /** SHA-256 fingerprint of the client's certificate, if it was asked for and shown. */
  readonly certificate?: string;
  /** It was told that it is connected while its person confirmed that. */
  readonly greeted?: Greeted;
};

/** What a client knows before there is a connection to the target. */
export type Greeted = {
  /** Id of what its person has confirmed. */
  readonly confirmation: string;
  /** ParameterStatus that it was sent. */
  readonly parameters: ReadonlyMap<string, string>;
  /** From now on its CancelRequests go there. */
  cancels(onCancel: () => void | Promise<void>): void;
};

/** Who has come as far as AuthenticationOk: perhaps with no more than a name, perhaps nobody's. */
export type Arrived = Omit<Client, 'person' | 'token'> & {
  /** As the startup packet names them. */
  readonly email: string;
  readonly person: Person | undefined;
  readonly token?: string;
};

type Log = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
};

export type ListenTls = {
  /** Handshakes use what was applied last. */
  readonly use: UsePem;
  /** Default `none`. */
  readonly clientCert?: ClientCert | undefined;
  /** Refuse clear text on loopback too. */
  readonly required?: boolean | undefined;
};

export type ListenOptions = Asked & {
  readonly address: Address;
  /** Without it only loopback connections are taken. */
  readonly tls?: ListenTls | undefined;
  /** Of `countersign login`, where they stand for a password. */
  readonly certificates?: Certificates | undefined;
  readonly cancels: Cancels;
  /** Somebody gave a wrong password; they are answered when it resolves. */
  readonly guessed?: (guess: { readonly email: string; readonly address: string }) => Promise<void>;
  /** Owns the client until it settles; then the connection is closed. A Fatal it rejects with is told to the client. */
  readonly serve: (client: Arrived) => Promise<void>;
  readonly log: Log;
  /** Default 5000. */
  readonly maxConnections?: number;
  /** Connections that have not authenticated yet; default 200. */
  readonly maxUnauthenticated?: number;
  /** Milliseconds from accept to AuthenticationOk; default 10,000. */
  readonly startupMs?: number;
};

/**
 * Accepts PostgreSQL clients. Rejects when the address cannot be used. `close` stops accepting and drops who has not
 * authenticated; sessions go on until `serve` ends them.
 */
export async function listenPostgres(
  options: ListenOptions,
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const starting = new Set<net.Socket>();
  let encryption: Encryption | undefined;
  options.tls?.use((pem) => {
    const { clientCert = 'none' } = options.tls ?? {};
    encryption = makeEncryption(pem, clientCert !== 'none' || options.certificates !== undefined);
  });
  const { maxConnections = 5000, maxUnauthenticated = 200 } = options;
  let connections = 0;
  // Keepalive: first probe after 10 s, then one a second, ten of them: a dead client is found within 20 s.
  const server = net.createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 10_000,
    pauseOnConnect: true,
  });
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    if (connections >= maxConnections || starting.size >= maxUnauthenticated) {
      options.log.warn({ connections, starting: starting.size }, 'too many connections');
      dismiss(socket, new Fatal('53300', 'the gateway has too many connections'));
      return;
    }
    connections += 1;
    starting.add(socket);
    const deadline = setTimeout(() => socket.destroy(), options.startupMs ?? 10_000);
    const started = (): void => {
      clearTimeout(deadline);
      starting.delete(socket);
    };
    socket.once('close', () => {
      connections -= 1;
      started();
    });
    void accept(socket, options, encryption, started);
  });
  server.listen(options.address.port, options.address.host);
  await once(server, 'listening');
  // A failed accept (no file descriptors left) must not end the process.
  server.on('error', (error) => options.log.warn({ err: error }, 'accepting failed'));
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : options.address.port,
    close: () => {
      server.close();
      for (const socket of starting) socket.destroy();
      return Promise.resolve();
    },
  };
}

/** One connection from its first byte to its last. Never rejects. */
async function accept(
  raw: net.Socket,
  options: ListenOptions,
  encryption: Encryption | undefined,
  started: () => void,
): Promise<void> {
  const address = raw.remoteAddress ?? '';
  let secured: Secured | undefined;
  const encrypt =
    encryption &&
    (async (direct: boolean): Promise<Duplex> => {
      secured = await encryptServer(raw, encryption, direct);
      return secured.socket;
    });
  try {
    const startup = await startUp(raw, {
      encrypt,
      loopback: isLoopback(address),
      required: options.tls?.required ?? false,
    });
    if (startup.kind === 'cancel') {
      await options.cancels.cancel(startup.pid, startup.secret);
    } else {
      const client = await admit(startup, options, address, secured);
      started();
      await options.serve(client);
    }
    dismiss(secured?.socket ?? raw);
  } catch (error) {
    const fatal = fatalOf(error);
    if (!(error instanceof GoneAway))
      options.log.info(factsOf(address, error), 'a PostgreSQL connection was ended');
    dismiss(secured?.socket ?? raw, fatal);
  }
}

function factsOf(address: string, err: unknown): object {
  const session = err instanceof Fatal ? err.session : undefined;
  return { address, ...(session !== undefined && { session }), err };
}

async function admit(
  { socket, tls: encrypted, minor, parameters }: Extract<Startup, { kind: 'session' }>,
  options: ListenOptions,
  address: string,
  secured: Secured | undefined,
): Promise<Arrived> {
  const email = parameters.get('user') ?? '';
  if (email === '')
    throw new Fatal('28000', 'no PostgreSQL user name specified in startup packet', {
      hint: 'The user is your e-mail address.',
    });
  const shown =
    (await certificateLogin(secured, options, email)) ??
    (await withPassword(socket, email, options, { address, secured }));
  const settings = readSettings(parameters);
  const head: unknown = socket.read();
  return {
    socket,
    head: Buffer.isBuffer(head) ? head : Buffer.alloc(0),
    email,
    ...shown,
    ...splitDatabase(parameters.get('database')),
    parameters: settings.target,
    countersign: settings.countersign,
    untouched: settings.untouched,
    ...(settings.refused && { refused: settings.refused }),
    application: parameters.get('application_name') ?? '',
    address,
    minor,
    tls: encrypted,
  };
}

/** A certificate of the operator's authority, where one is demanded, comes on top. */
async function withPassword(
  socket: Duplex,
  email: string,
  options: ListenOptions,
  { address, secured }: { readonly address: string; readonly secured: Secured | undefined },
): Promise<Authenticated & { readonly certificate?: string }> {
  const certificate = checkClientCertificate(secured, options.tls?.clientCert ?? 'none', email);
  const endPoint = secured?.encryption.endPoint;
  const on = { tls: secured !== undefined, address, endPoint };
  const shown = await authenticate(socket, email, options, on).catch(async (error: unknown) => {
    if (error instanceof Fatal && error.sqlstate === '28P01')
      await options.guessed?.({ email, address });
    throw error;
  });
  // SCRAM never shows the token, so it was not noted as used.
  if (shown.token !== undefined) options.tokens.used(shown.token);
  return { ...shown, ...(certificate !== undefined && { certificate }) };
}

function splitDatabase(name = ''): { target: string; database: string | undefined } {
  const slash = name.indexOf('/');
  const target = slash < 0 ? name : name.slice(0, slash);
  if (target === '')
    throw new Fatal('3D000', 'no target was named', {
      hint: 'The database is the target’s name: dbname=<target>, or dbname=<target>/<database>.',
    });
  return { target, database: slash < 0 ? undefined : name.slice(slash + 1) || undefined };
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

function fatalOf(error: unknown): Fatal | undefined {
  if (error instanceof Fatal) return error;
  if (error instanceof ProtocolViolation) return new Fatal(error.sqlstate, error.message);
  if (error instanceof GoneAway) return undefined;
  return new Fatal('XX000', 'the gateway failed; the operator finds the cause in its log');
}

/** Says why, if there is a why, and closes; a client that does not read is dropped after a moment. */
function dismiss(socket: Duplex, fatal?: Fatal): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), 5_000);
  socket.once('close', () => clearTimeout(timer));
  if (fatal) socket.write(fatalMessage(fatal.sqlstate, fatal));
  socket.end(() => socket.destroy());
  socket.resume();
}
