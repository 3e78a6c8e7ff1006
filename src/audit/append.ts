import type { Client, Connection, QueryConfig } from 'pg';

/**
 * One prepared statement with its parameters, in one write, whose rows nobody needs: what node-postgres does for a query
 * takes several times as long as making the records that this stores. Texts go as text, Buffers in binary form.
 */
export class Append {
  /** Resolves once it is committed, as `query` does. */
  readonly done: Promise<void>;
  readonly #bytes: Buffer;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #failed = false;

  constructor({ name, text, values }: QueryConfig & { readonly name: string }, prepared: boolean) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const messages = [bind(name, values ?? []), EXECUTE, SYNC];
    // One that was parsed before and failed is there already; to close one that is not is no error.
    this.#bytes = Buffer.concat(
      prepared ? messages : [close(name), parse(name, text), ...messages],
    );
  }

  /** What node-postgres calls when it is its turn. */
  submit(connection: Connection): void {
    connection.stream.write(this.#bytes);
  }

  handleError(error: unknown): void {
    this.#failed = true;
    this.#reject(error);
  }

  /** Only now is it committed: that can fail behind CommandComplete. */
  handleReadyForQuery(): void {
    if (!this.#failed) this.#resolve();
  }

  handleCommandComplete(): void {
    // It says nothing about the commit.
  }
}

/** Statements that one connection has prepared. */
export class Prepared {
  readonly #client: Client;
  readonly #names = new Set<string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Resolves once it is committed, unless a transaction is open. */
  async run(statement: QueryConfig & { readonly name: string }): Promise<void> {
    await this.#client.query(new Append(statement, this.#names.has(statement.name))).done;
    this.#names.add(statement.name);
  }
}

const zero = Buffer.from([0]);
const cstring = (text: string): Buffer => Buffer.from(`${text}\0`);
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(5);
  head.write(type, 'latin1');
  head.writeInt32BE(length, 1);
  return Buffer.concat([head, ...parts], length + 1);
}

const EXECUTE = message('E', zero, Buffer.alloc(4));
const SYNC = message('S');
const close = (name: string): Buffer => message('C', Buffer.from('S'), cstring(name));
const parse = (name: string, text: string): Buffer =>
  message('P', cstring(name), cstring(text), int16(0));

/** Throws for a value that is neither text, number nor Buffer. */
function bind(name: string, values: readonly unknown[]): Buffer {
  const formats = Buffer.alloc(2 * values.length);
  const parts: Buffer[] = [];
  for (const [i, value] of values.entries()) {
    if (Buffer.isBuffer(value)) formats.writeInt16BE(1, 2 * i);
    const bytes = bytesOf(value);
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  const count = int16(values.length);
  return message('B', zero, cstring(name), count, formats, count, ...parts, int16(0));
}

function bytesOf(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'string') return Buffer.from(value);
  if (typeof value === 'number') return Buffer.from(String(value));
  throw new TypeError('a parameter that cannot be sent');
}
