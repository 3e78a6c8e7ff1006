import { tmpdir } from 'node:os';
import { userEnvironment } from '#src/config/user.ts';
import { Fatal } from '#gateway/postgres/fatal.ts';
import { integer, parse, type Command, type Options } from './command.ts';
import { openLocalEnd, type LocalEnd } from './connect/local.ts';
import { clientEnvironment, runClient } from './connect/program.ts';
import type { Upstream } from './connect/upstream.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { gatewayUrl } from './login/gateway.ts';
import { readLogin, type StoredLogin } from './login/stored.ts';
import { tlsOptions } from './query.ts';
import { clock, printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  gateway: {
    type: 'string',
    value: 'URL',
    about: 'through which gateway (default: the last login)',
  },
  port: { type: 'string', value: 'N', about: 'local port (default: a free one)' },
  socket: { type: 'boolean', about: 'a Unix socket in a folder of your own, in place of a port' },
  tls: {
    type: 'string',
    value: 'MODE',
    about:
      'to the gateway: disable, require or verify-full (default: verify-full beyond this machine)',
  },
  ca: { type: 'string', value: 'FILE', about: 'authority of the gateway’s certificate' },
} as const satisfies Options;

export const connectCommand: Command = {
  usage: [
    'connect TARGET[/DATABASE] [--port N | --socket] [--gateway URL]',
    'connect TARGET[/DATABASE] [--socket] -- PROGRAM [ARGUMENTS]',
  ],
  about:
    'Opens a local port that signs in to the gateway by itself, with what countersign login has got, and prints its\n' +
    'address; or runs a client that finds it in PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, and exits as it does.\n' +
    'The address holds a password of its own, since everybody on this machine can reach a local port.',
  options: OPTIONS,
  examples: ['countersign connect shop -- psql', 'countersign connect shop/analytics --port 15432'],
  run: connect,
};

const WARN_MS = 10 * 60_000;

async function connect(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [own, program] = split(argv);
  const { values, positionals } = parse(own, OPTIONS);
  const [target, ...more] = positionals;
  if (target === undefined) throw usageFailure('which target?', 'countersign connect shop -- psql');
  if (more.length > 0)
    throw usageFailure(
      `what is ${more.join(' ')}?`,
      'put -- before the program: connect shop -- psql',
    );
  if (values.socket && values.port !== undefined)
    throw usageFailure('--socket and --port exclude each other');
  if (values.socket && process.platform === 'win32')
    throw usageFailure('there are no Unix sockets for clients here', 'leave --socket out');
  const gateway = values.gateway && gatewayUrl(values.gateway);
  const login = await liveLogin(gateway);
  const upstream = async (): Promise<Upstream> =>
    upstreamOf(await liveLogin(login.gateway).catch(toFatal), values);
  // What is wrong with the options is said now and not at the first connection.
  await upstreamOf(login, values);
  const local = await openLocalEnd({
    at: values.socket
      ? { below: userEnvironment().runtime ?? tmpdir() }
      : { port: integer(values.port ?? '0', 'port', 0, 65_535) },
    target,
    upstream,
    failed: (error) => terminal.err(`countersign: ${printable(error.message)}`),
  }).catch(inUse(values.port));
  const warning = warnBefore(login, terminal);
  try {
    if (program)
      return await runClient(program, clientEnvironment(local, { email: login.email, target }));
    announce(local, login, target, terminal);
    await untilStopped();
    return EXIT.done;
  } finally {
    clearTimeout(warning);
    await local.close();
  }
}

function split(argv: readonly string[]): [readonly string[], readonly string[] | undefined] {
  const at = argv.indexOf('--');
  if (at === -1) return [argv, undefined];
  const program = argv.slice(at + 1);
  if (program.length === 0)
    throw usageFailure('which program?', 'countersign connect shop -- psql');
  return [argv.slice(0, at), program];
}

async function liveLogin(gateway: string | undefined): Promise<StoredLogin> {
  const login = await readLogin(gateway);
  if (!login)
    throw new Failure('nobody is signed in here', { hint: 'countersign login --gateway URL' });
  if (Date.parse(login.expiresAt) > Date.now()) return login;
  throw new Failure(`the sign-in at ${login.gateway} has ended`, {
    hint: 'countersign login begins anew; this goes on by itself then',
  });
}

async function upstreamOf(
  { postgres, email, token }: StoredLogin,
  { tls, ca }: { readonly tls?: string | undefined; readonly ca?: string | undefined },
): Promise<Upstream> {
  const ssl = await tlsOptions(tls, ca, postgres.host);
  return { host: postgres.host, port: postgres.port, ssl, email, token };
}

function toFatal(error: unknown): never {
  if (!(error instanceof Failure)) throw error;
  throw new Fatal('28000', error.message, error.hint === undefined ? {} : { hint: error.hint });
}

const inUse =
  (port: string | undefined) =>
  (cause: unknown): never => {
    throw new Failure(`the local port ${port ?? ''} cannot be opened`, {
      hint: 'take another one, or none: then a free one is found',
      cause,
    });
  };

function warnBefore({ expiresAt }: StoredLogin, terminal: Terminal): NodeJS.Timeout {
  const left = Date.parse(expiresAt) - Date.now();
  const say = (): void =>
    terminal.err(
      'countersign: the sign-in ends in ten minutes; countersign login in another terminal goes on',
    );
  return setTimeout(say, Math.min(Math.max(left - WARN_MS, 0), 2 ** 31 - 1)).unref();
}

function announce(local: LocalEnd, login: StoredLogin, target: string, terminal: Terminal): void {
  terminal.out(dsn(local, login.email, target));
  terminal.err(`Signs in to ${login.gateway} as ${login.email} until ${clock(login.expiresAt)}.`);
  terminal.err('Ctrl-C closes it.');
}

/** libpq's URI; a Unix socket's folder goes into the query. */
export function dsn(
  { host, port, password }: Pick<LocalEnd, 'host' | 'port' | 'password'>,
  email: string,
  target: string,
): string {
  const [user, database] = [encodeURIComponent(email), encodeURIComponent(target)];
  if (password === undefined)
    return `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  return `postgresql://${user}:${password}@${host}:${port}/${database}?sslmode=disable`;
}

/** Resolves at the first signal, or when the launcher is gone. */
async function untilStopped(): Promise<void> {
  const events = ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  for (const event of events) process.on(event, resolve);
  await promise;
  // Listening for the launcher's end keeps this process alive; further signals are still to change nothing.
  process.off('disconnect', resolve);
}
