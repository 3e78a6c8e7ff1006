import net from 'node:net';
import { createRequire } from 'node:module';
import { parse, serialize } from 'pg-protocol';
import type { TestGateway, Who } from './gateway.ts';

const sasl = createRequire(import.meta.url)('pg/lib/crypto/sasl.js');

/** One message of the server, as pg-protocol reads it: `name`, `code`, `message`, `fields`, `text` … */
export type Heard = any;

/** Frontend messages, to be sent in one write in any order. */
export const P = (text: string, name = ''): Buffer => serialize.parse({ name, text, types: [] });
export const B = (to: Parameters<typeof serialize.bind>[0] = {}): Buffer => serialize.bind(to);
export const E = (to: Parameters<typeof serialize.execute>[0] = {}): Buffer =>
  serialize.execute(to);
export const D = (type: 'S' | 'P', name = ''): Buffer => serialize.describe({ type, name });
export const C = (type: 'S' | 'P', name = ''): Buffer => serialize.close({ type, name });
export const S = (): Buffer => serialize.sync();
export const F = (): Buffer => serialize.flush();
export const Q = (text: string): Buffer => serialize.query(text);
/** Parse, Bind and Execute of one statement without a name. */
export const run = (text: string): Buffer => Buffer.concat([P(text), B(), E()]);

/** Speaks the wire protocol message by message, so that a pipeline can be anything. */
export class RawClient {
  readonly heard: Heard[] = [];
  #socket: net.Socket;
  #wake: () => void = () => undefined;
  /** `processID`, `secretKey`. */
  key: Heard;
  /** What came until the session was ready, or was refused. */
  greeting: readonly Heard[] = [];

  private constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  static async connect(
    gateway: TestGateway,
    who: Who = 'engineer',
    password?: string,
    user = `${who}@example.com`,
    more: Record<string, string> = {},
  ): Promise<RawClient> {
    const socket = net.connect(gateway.running.postgres.port, '127.0.0.1').setNoDelay(true);
    const secret = password ?? (await gateway.token(who));
    let session: any;
    const client = RawClient.over(socket, async (heard) => {
      if (heard.name === 'authenticationSASL') {
        session = sasl.startSession(heard['mechanisms']);
        client.send(serialize.sendSASLInitialResponseMessage(session.mechanism, session.response));
      } else if (heard.name === 'authenticationSASLContinue') {
        await sasl.continueSession(session, secret, heard['data']);
        client.send(serialize.sendSCRAMClientFinalMessage(session.response));
      }
    });
    client.send(serialize.startup({ user, database: 'shop', ...more }));
    client.greeting = await client.until('readyForQuery', 'error', 'closed');
    return client;
  }

  /** Over a connection that is open; `answer` sees each message first. */
  static over(socket: net.Socket, answer: (heard: Heard) => Promise<void> | void): RawClient {
    const client = new RawClient(socket);
    const hear = async (heard: Heard): Promise<void> => {
      await answer(heard);
      if (heard.name === 'backendKeyData') client.key = heard;
      client.heard.push(heard);
      client.#wake();
    };
    void parse(socket, (message) => void hear(message));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      client.heard.push({ name: 'closed' });
      client.#wake();
    });
    return client;
  }

  send(...messages: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(messages));
  }

  /** Everything up to and with the first message of one of these names; at most 15 s. */
  async until(...names: readonly string[]): Promise<Heard[]> {
    const end = Date.now() + 15_000;
    for (;;) {
      const at = this.heard.findIndex((heard) => names.includes(heard.name));
      if (at >= 0) return this.heard.splice(0, at + 1);
      const left = end - Date.now();
      if (left <= 0)
        throw new Error(`no ${names.join(' or ')}; heard ${this.heard.map((h) => h.name).join()}`);
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Sends, and gives what came until ReadyForQuery (or until the connection ended). */
  async ask(...messages: readonly Buffer[]): Promise<Heard[]> {
    this.send(...messages);
    return this.until('readyForQuery', 'closed');
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Every text that came, in one, for a search. */
export const told = (heard: readonly Heard[]): string =>
  heard
    .map((h) =>
      [h.name, h['code'], h['message'], h['detail'], h['hint'], h['where'], h['text'], h['status']]
        .concat(h['fields'] ?? [], h['parameterName'], h['parameterValue'], h['payload'])
        .filter((part) => part !== undefined)
        .map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part)))
        .join(' '),
    )
    .join('\n');

/** The SQLSTATEs of the errors, in order. */
export const codes = (heard: readonly Heard[]): string[] =>
  heard.filter(({ name }) => name === 'error').map((error) => error['code']);
