import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import {
  ServerMessage,
  StreamFramer,
  parseAuthentication,
  parseBackendKeyData,
  parseError,
  parseParameterStatus,
  parseSaslMechanisms,
  passwordMessage,
  saslInitialResponse,
  saslResponse,
  startupMessage,
} from './codec.ts';
import { serverEndPoint } from './end-point.ts';
import { SCRAM, SCRAM_PLUS, ScramClient } from './scram-client.ts';

/** A target could not be opened. The message names cause and next step, and never a credential. */
export class TargetUnavailable extends Error {
  override name = 'TargetUnavailable';
  readonly sqlstate: string;
  constructor(reason: string, sqlstate = '08001', options?: ErrorOptions) {
    super(reason, options);
    this.sqlstate = sqlstate;
  }
}

/** The target does not take the password: it may have been changed. */
export class CredentialRefused extends TargetUnavailable {
  override name = 'CredentialRefused';
}

export type Login = {
  readonly target: string;
  readonly user: string;
  readonly password: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** The same socket, when it is encrypted. */
  readonly tls: TLSSocket | undefined;
  readonly channelBinding: 'prefer' | 'require';
  /** Inside TLS the target may ask for the password itself. */
  readonly clearPassword: boolean;
};

export type LoggedIn = {
  readonly parameters: ReadonlyMap<string, string>;
  /** 0 when the target gave no key (some poolers do not). */
  readonly pid: number;
  readonly secret: Buffer | undefined;
};

type Message = { readonly type: number; readonly body: Buffer };

/** Speaks the start of the protocol up to the first ReadyForQuery; then nothing more is read. Throws TargetUnavailable. */
export async function logIn(socket: Duplex, login: Login): Promise<LoggedIn> {
  const conversation = new Conversation(socket);
  try {
    conversation.send(startupMessage(login.parameters));
    await authenticate(conversation, login);
    return await collect(conversation, login);
  } finally {
    conversation.end();
  }
}

async function authenticate(talk: Conversation, login: Login): Promise<void> {
  const scram = new Scram(login);
  for (;;) {
    const { kind, data } = parseAuthentication(await expectAuthentication(talk, login));
    if (kind === 0) return scram.checkProven();
    talk.send(await scram.answer(kind, data));
  }
}

/** A password goes to nobody in these forms: whoever gets one has it. */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [3, 'a clear-text password'],
  [5, 'an MD5 password'],
]);
/** The client's side of SCRAM-SHA-256, with channel binding where TLS and the target have it. */
class Scram {
  readonly #login: Login;
  #session: ScramClient | undefined;
  #proven = false;

  constructor(login: Login) {
    this.#login = login;
  }

  /** Without the final message the target has not shown that it knows the password. */
  checkProven(): void {
    if (this.#session && !this.#proven) throw this.#broken();
    if (!this.#session && this.#login.channelBinding === 'require') throw this.#unbound();
  }

  /** Empty when there is nothing to say. */
  async answer(kind: number, data: Buffer): Promise<Buffer> {
    if (kind === 10) {
      return this.#begin(parseSaslMechanisms(data));
    }
    const { clearPassword, tls, password } = this.#login;
    if (kind === 3 && clearPassword && tls && !this.#session) return passwordMessage(password);
    if (kind !== 11 && kind !== 12)
      throw new TargetUnavailable(
        `target "${this.#login.target}" asks for ${REFUSED.get(kind) ?? `authentication method ${String(kind)}`}, which is not supported; set it to scram-sha-256`,
      );
    if (!this.#session) throw this.#broken();
    const text = data.toString('utf8');
    if (kind === 11) {
      return saslResponse(await this.#session.final(password, text));
    }
    this.#proven = this.#session.isProof(text);
    if (!this.#proven) throw this.#broken();
    return Buffer.alloc(0);
  }

  #begin(offered: readonly string[]): Buffer {
    const { tls, channelBinding } = this.#login;
    const channel = tls && serverEndPoint(tls.getPeerCertificate().raw);
    const bound = channel !== undefined && offered.includes(SCRAM_PLUS);
    if (channelBinding === 'require' && !bound) throw this.#unbound();
    if (!bound && !offered.includes(SCRAM))
      throw new TargetUnavailable(
        `target "${this.#login.target}" offers no ${SCRAM}; set its password_encryption to scram-sha-256`,
      );
    this.#session = new ScramClient({
      endPoint: bound ? channel : undefined,
      able: channel !== undefined,
    });
    return saslInitialResponse(this.#session.mechanism, this.#session.first);
  }

  #unbound(): TargetUnavailable {
    return new TargetUnavailable(
      `target "${this.#login.target}" does not bind the password to the channel (${SCRAM_PLUS}), and tls.channelBinding demands it; a pooler in between or its certificate may be the cause`,
    );
  }

  #broken(): TargetUnavailable {
    return new TargetUnavailable(
      `target "${this.#login.target}" did not prove that it knows the password; check its host and TLS settings`,
    );
  }
}

async function expectAuthentication(talk: Conversation, login: Login): Promise<Buffer> {
  for (;;) {
    const { type, body } = await talk.next();
    if (type === ServerMessage.Authentication) return body;
    if (type === ServerMessage.ErrorResponse) throw refused(body, login);
    if (type !== ServerMessage.NoticeResponse)
      throw new TargetUnavailable(
        `target "${login.target}" does not speak the PostgreSQL protocol`,
      );
  }
}

async function collect(talk: Conversation, login: Login): Promise<LoggedIn> {
  const parameters = new Map<string, string>();
  let pid = 0;
  let secret: Buffer | undefined;
  for (;;) {
    const { type, body } = await talk.next();
    if (type === ServerMessage.ReadyForQuery) return { parameters, pid, secret };
    if (type === ServerMessage.ErrorResponse) throw refused(body, login);
    if (type === ServerMessage.ParameterStatus) {
      const { name, value } = parseParameterStatus(body);
      parameters.set(name, value);
    } else if (type === ServerMessage.BackendKeyData) ({ pid, secret } = parseBackendKeyData(body));
  }
}

function refused(body: Buffer, login: Login): TargetUnavailable {
  const fields = parseError(body);
  const sqlstate = fields.get('C') ?? '08004';
  // What the target says about the gateway's own credential is the operator's business, not the person's.
  if (sqlstate.startsWith('28'))
    return new CredentialRefused(
      `target "${login.target}" refused the gateway's credential (${sqlstate}); the operator must check its user and password`,
      '08004',
    );
  return new TargetUnavailable(
    `target "${login.target}": ${fields.get('M') ?? 'connection refused'}`,
    sqlstate,
  );
}

/** Messages one by one while a connection begins; afterwards what was read too far goes back into the socket. */
class Conversation {
  readonly #socket: Duplex;
  readonly #framer: StreamFramer;
  #messages: Message[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#framer.push(chunk);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#wake?.();
  };
  readonly #onError = (error: Error): void => this.#fail(error);
  readonly #onClose = (): void => this.#fail(new Error('the target closed the connection'));

  constructor(socket: Duplex) {
    this.#socket = socket;
    const message = (type: number, buffer: Buffer, start: number, end: number): void => {
      this.#messages.push({ type, body: buffer.subarray(start + 5, end) });
    };
    this.#framer = new StreamFramer({ message, run: () => undefined }, '', 1024 * 1024);
    socket.on('data', this.#onData);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  send(bytes: Buffer): void {
    if (bytes.length > 0) this.#socket.write(bytes);
  }

  async next(): Promise<Message> {
    for (;;) {
      const first = this.#messages.shift();
      if (first) return first;
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A target says nothing unasked between ReadyForQuery and the first query, except what may come at any time. */
  end(): void {
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
    const rest = Buffer.concat([...this.#messages.map(again), this.#framer.rest()]);
    if (rest.length > 0 && !this.#socket.destroyed) this.#socket.unshift(rest);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}

function again({ type, body }: Message): Buffer {
  const head = Buffer.allocUnsafe(5);
  head[0] = type;
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
