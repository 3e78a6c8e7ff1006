import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { type Permit, issuePermit } from '#gateway/gate/permit.ts';
import { Cancels } from '#gateway/postgres/cancel.ts';
import * as codec from '#gateway/postgres/codec.ts';
import {
  type Client,
  type ListenOptions,
  type ListenTls,
  listenPostgres,
} from '#gateway/postgres/listener.ts';
import { errorMessage } from '#gateway/postgres/refusal.ts';
import type { TargetConfig } from '#src/config/config.ts';
import type { ServerPem } from '#src/config/tls.ts';
import type { Receipt } from '#src/audit/log.ts';
import type { Obligations } from '#src/policy/verdict.ts';
import { scramKeys } from '#src/identity/scram.ts';
import type { Tokens } from '#src/identity/token.ts';

export const EMAIL = 'ann@example.com';
export const PASSWORD = 'cs_a-token-of-ann';

function unused(): never {
  throw new Error('the listener has no business with this');
}

const salt = Buffer.alloc(16, 7);
const verifier = { token: 'token-1', ...scramKeys(PASSWORD, salt, 4096) };

/** Only Ann has a token; everybody else gets a mock salt and no verifier. */
const tokens: Tokens = {
  issue: unused,
  standIn: unused,
  check: unused,
  list: unused,
  find: unused,
  used: () => undefined,
  revoke: unused,
  scram: (email) =>
    Promise.resolve({ salt, iterations: 4096, verifiers: email === EMAIL ? [verifier] : [] }),
};

/** The listener's TLS from texts that no file changes; `replace` is what a change of the files does. */
export function fixedTls(
  pem: ServerPem,
  more: Omit<ListenTls, 'use'> = {},
): ListenTls & { replace(next: ServerPem): void } {
  const applied: ((next: ServerPem) => void)[] = [];
  return {
    ...more,
    use: (apply) => {
      apply(pem);
      applied.push(apply);
    },
    replace: (next) => applied.forEach((apply) => apply(next)),
  };
}

export type Listening = {
  readonly port: number;
  readonly cancels: Cancels;
  readonly clients: Client[];
  readonly people: Set<string>;
  close(): Promise<void>;
};

/** A listener whose sessions are `session` below. */
export async function listen(options: Partial<ListenOptions> = {}): Promise<Listening> {
  const cancels = new Cancels();
  const clients: Client[] = [];
  const people = new Set([EMAIL]);
  const { port, close } = await listenPostgres({
    address: { host: '127.0.0.1', port: 0 },
    tokens,
    directory: {
      find: (email) =>
        Promise.resolve(people.has(email) ? { email, name: 'Ann', groups: [] } : undefined),
    },
    cancels,
    serve: ({ person, token, ...rest }) => {
      if (!person || token === undefined) throw new Error('nothing has shown who this is');
      const client = { ...rest, person, token };
      if (client.refused) throw client.refused;
      clients.push(client);
      return session(client, cancels);
    },
    log: { info: () => undefined, warn: () => undefined },
    ...options,
  });
  return {
    port,
    cancels,
    clients,
    people,
    async close() {
      await close();
      for (const client of clients) client.socket.destroy();
    },
  };
}

/** Answers every simple query with its own text; `hold` waits for a CancelRequest. */
async function session(client: Client, cancels: Cancels): Promise<void> {
  const { socket } = client;
  const { keyData, unregister } = cancels.register(4242, client.minor, () => {
    socket.write(
      Buffer.concat([
        errorMessage('57014', { message: 'canceling statement due to user request' }),
        codec.readyForQuery('I'),
      ]),
    );
  });
  socket.write(
    Buffer.concat([
      ...['server_version:15.0', 'client_encoding:UTF8', 'standard_conforming_strings:on'].map(
        (pair) => codec.parameterStatus(...(pair.split(':') as [string, string])),
      ),
      keyData,
      codec.readyForQuery('I'),
    ]),
  );
  const framer = new codec.Framer();
  const read = (chunk: Buffer): void => {
    framer.push(chunk);
    for (let frame = framer.next(); frame; frame = framer.next()) answer(socket, frame);
  };
  read(client.head);
  socket.on('data', read).resume();
  await once(socket, 'close');
  unregister();
}

function answer(socket: Duplex, frame: codec.Frame): void {
  if (frame.type !== codec.ClientMessage.Query) return;
  const text = codec.parseQuery(codec.bodyOf(frame));
  if (text.startsWith('hold')) return;
  const column = { name: 'echo', tableOid: 0, attnum: 0, typeOid: 25 };
  socket.write(
    Buffer.concat([
      codec.rowDescription([{ ...column, typeSize: -1, typeModifier: -1, format: 0 }]),
      codec.dataRow([Buffer.from(text)]),
      codec.commandComplete('SELECT 1'),
      codec.readyForQuery('I'),
    ]),
  );
}

/** A client that writes what it is told and reads until something is there, or the connection has ended. */
export class RawClient {
  readonly socket: Duplex;
  #read = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#read = Buffer.concat([this.#read, chunk]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(...bytes: Buffer[]): this {
    this.socket.write(Buffer.concat(bytes));
    return this;
  }

  /** Exactly so many bytes; fails when the connection ends before. */
  async bytes(length: number): Promise<Buffer> {
    await this.#until(() => this.#read.length >= length);
    const bytes = this.#read.subarray(0, length);
    this.#read = this.#read.subarray(length);
    if (bytes.length < length) throw new Error('the connection ended');
    return bytes;
  }

  async message(): Promise<{ type: string; body: Buffer }> {
    const header = await this.bytes(5);
    const body = await this.bytes(header.readInt32BE(1) - 4);
    return { type: header.toString('latin1', 0, 1), body };
  }

  /** The next message, which must be a FATAL; then the connection must end. */
  async fatal(): Promise<codec.ErrorFields> {
    const { type, body } = await this.message();
    if (type !== 'E') throw new Error(`expected an error, got ${type}`);
    await this.ended();
    const fields = codec.parseError(body);
    if (fields.get('S') !== 'FATAL') throw new Error('expected FATAL');
    return fields;
  }

  /** Bytes that came before the connection ended. */
  async ended(): Promise<Buffer> {
    await this.#until(() => this.#ended);
    return this.#read;
  }

  async #until(done: () => boolean): Promise<void> {
    const limit = AbortSignal.timeout(10_000);
    while (!done() && !this.#ended)
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        limit.addEventListener('abort', () => reject(new Error('nothing came')), { once: true });
      });
  }
}

export function startup(more: Record<string, string> = {}, minor = 0): Buffer {
  return codec.startupMessage(
    new Map(Object.entries({ user: EMAIL, database: 'shop', ...more })),
    minor,
  );
}

/** A permit as the gate would issue it for an allowed statement. */
export function permit(): Permit {
  const digest = Buffer.alloc(32, 1);
  const receipt = { record: 'r', writer: 'w', seq: 1n, binds: { digest, verdict: 'allow' } };
  return issuePermit('s', digest, receipt as unknown as Receipt, {} as Obligations);
}

export function targetConfig(port: number, password: string): TargetConfig {
  return {
    name: 'shop',
    protocol: 'postgres',
    environment: 'test',
    timeZone: 'UTC',
    host: '127.0.0.1',
    port,
    user: 'gateway',
    password: () => Promise.resolve(password),
    database: 'postgres',
    analyser: { user: 'nobody', password: () => Promise.resolve('') },
    tls: { mode: 'disable' },
    hold: { inTransactionMs: 1000, resendMs: 1000 },
    record: { rows: 1, bytes: 1 },
  };
}
