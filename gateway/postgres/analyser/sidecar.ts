import type { Client, Connection, Submittable } from 'pg';
import { DatabaseError } from 'pg';
import type { TargetConfig } from '#src/config/config.ts';
import { NotResolved } from '#src/statement/sql/nodetree.ts';
import type { Described } from '#src/statement/sql/tree.ts';
import { describe, parse, sync } from '../codec.ts';
import { analyserClient } from './connection.ts';

/** The target refused to parse the statement; `code` is its SQLSTATE, `position` a character of the text, from 1. */
export type Rejected = {
  readonly code: string;
  readonly message: string;
  readonly position?: number;
};
export type Answer =
  | { readonly described: Described; readonly rejected?: undefined }
  | { readonly rejected: Rejected; readonly described?: undefined };

const treeOptions = {
  client_min_messages: 'log',
  debug_print_rewritten: 'on',
  debug_pretty_print: 'off',
  // The tree would otherwise go to the server's log as well.
  log_min_messages: 'fatal',
  standard_conforming_strings: 'on',
  client_encoding: 'UTF8',
};

/** A session that only ever Parses and Describes: the target analyses a statement and runs nothing of it. */
export class Sidecar {
  readonly #target: TargetConfig;
  readonly #database: string;
  #client: Promise<Client> | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #path: string | undefined;
  waiting = 0;

  readonly #options: Readonly<Record<string, string>>;

  /** `options`: settings of its own. */
  constructor(
    target: TargetConfig,
    database: string,
    options: Readonly<Record<string, string>> = {},
  ) {
    this.#target = target;
    this.#database = database;
    this.#options = { ...treeOptions, ...options };
  }

  /** The path the session has now, so that a pool can prefer it. */
  get path(): string | undefined {
    return this.#path;
  }

  /** One statement at a time. Rejects when the target cannot be asked. */
  ask(text: string, types: readonly number[], path: string): Promise<Answer> {
    this.waiting += 1;
    const answer = this.#tail.then(() => this.#ask(text, types, path));
    this.#tail = answer.then(
      () => (this.waiting -= 1),
      () => (this.waiting -= 1),
    );
    return answer;
  }

  async #ask(text: string, types: readonly number[], path: string): Promise<Answer> {
    try {
      const client = await this.connect();
      if (this.#path !== path) {
        this.#path = undefined;
        await client.query(`select pg_catalog.set_config('search_path', $1, false)`, [path]);
        this.#path = path;
      }
      const question = new Question(text, types);
      client.on('notice', question.onNotice);
      try {
        client.query(question);
        return await question.answer;
      } finally {
        client.off('notice', question.onNotice);
      }
    } catch (error) {
      // Whatever state the session is in, the next statement gets a new one.
      await this.close();
      throw error;
    }
  }

  connect(): Promise<Client> {
    if (this.#client) return this.#client;
    const client = analyserClient(this.#target, this.#database, this.#options);
    this.#client = client;
    client.then(
      (open) => open.once('end', () => this.#forget(client)),
      () => this.#forget(client),
    );
    return client;
  }

  #forget(client: Promise<Client>): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#path = undefined;
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#path = undefined;
    const open = await client?.catch(() => undefined);
    await open?.end().catch(() => undefined);
  }
}

/** The target says nothing of what it would do: a pooler in between dropped the settings, or it is no PostgreSQL. */
export class NoTree extends Error {
  override name = 'NoTree';
}

// Bytes; the tree of a list of a hundred thousand numbers is as large.
const largestAnswer = 32 << 20;

const ASK = Buffer.concat([describe('S', ''), sync()]);

type Field = {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
};
type Notice = { readonly severity?: string | undefined; readonly detail?: string | undefined };

/** Parse + Describe + Sync of the unnamed statement, as a query of node-postgres. */
class Question implements Submittable {
  readonly #text: string;
  readonly #types: readonly number[];
  readonly #done = Promise.withResolvers<Answer>();
  #trees: string[] = [];
  #bytes = 0;
  #fields: readonly Field[] | undefined;
  #parameters: readonly number[] = [];
  #connection: Connection | undefined;
  // node-postgres looks these up on every query it runs.
  readonly name = '';
  callback = (error: Error | null | undefined): void =>
    this.handleError(error ?? new Error('ended'));

  constructor(text: string, types: readonly number[]) {
    this.#text = text;
    this.#types = types;
  }

  get answer(): Promise<Answer> {
    return this.#done.promise;
  }

  readonly onNotice = (notice: Notice): void => {
    // The message itself is translated by the server; the form of the detail is not.
    if (notice.detail?.startsWith('(')) this.#trees.push(notice.detail);
  };

  readonly #onParameters = (message: { readonly dataTypeIDs: readonly number[] }): void => {
    this.#parameters = message.dataTypeIDs;
  };

  submit(connection: Connection): void {
    this.#connection = connection;
    connection.on('parameterDescription', this.#onParameters);
    connection.stream.on('data', this.#onData);
    connection.stream.write(Buffer.concat([parse('', this.#text, this.#types), ASK]));
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#bytes > largestAnswer) this.#connection?.stream.destroy();
  };

  #over(): void {
    this.#connection?.off('parameterDescription', this.#onParameters);
    this.#connection?.stream.off('data', this.#onData);
  }

  handleRowDescription(message: { readonly fields: readonly Field[] }): void {
    this.#fields = message.fields;
  }

  handleError(error: Error): void {
    this.#over();
    if (this.#bytes > largestAnswer)
      return this.#done.reject(new NotResolved('the statement is too complex to follow'));
    if (!(error instanceof DatabaseError) || error.severity === 'FATAL')
      return this.#done.reject(error);
    const position = Number(error.position ?? 0);
    this.#done.resolve({
      rejected: {
        code: error.code ?? 'XX000',
        message: error.message,
        ...(position > 0 && { position }),
      },
    });
  }

  handleReadyForQuery(): void {
    this.#over();
    const [tree, ...others] = this.#trees;
    if (tree === undefined)
      return this.#done.reject(
        new NoTree('the target gave no analysed tree for debug_print_rewritten'),
      );
    if (others.length > 0)
      return this.#done.reject(new Error('the target gave more than one analysed tree'));
    this.#done.resolve({
      described: { tree, fields: this.#fields, parameterTypes: this.#parameters },
    });
  }
}
