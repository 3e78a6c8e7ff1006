import assert from 'node:assert/strict';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { main } from '#cli/main.ts';
import { listenWitness } from '#gateway/witness/listener.ts';
import { startCheckpoints, type AskedWitness } from '#src/audit/tree/checkpoints.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import {
  COSIGNATURE,
  ED25519,
  formatVkey,
  noteKey,
  parseVkey,
  type NoteKey,
} from '#src/audit/tree/note.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openSigner } from '#src/audit/tree/signer.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { Witness } from '#src/audit/tree/witness.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { eventually } from '../fakes/gateway.ts';
import { client } from '../fakes/shop.ts';

const SIGNER = fileURLToPath(new URL('../../src/audit/tree/signer-main.ts', import.meta.url));
export const ORIGIN = 'log.example.com/test';
const WITNESS = 'witness.example.com';

/** What an attack may change: it is copied, and put back before the next one. */
const TABLES = `select relname as name from pg_class where relnamespace = 'countersign'::regnamespace
  and relkind in ('r', 'p') and not relispartition and relname ~ '^(record|tree|writer)'`;

export type Said = { readonly code: number; readonly lines: readonly string[] };

/** One log and everybody around it: who owns its database, who runs it, and an auditor with the trust file and an old mirror. */
export class Scene implements AsyncDisposable {
  readonly db: Database;
  /** The database's superuser, whom no trigger stops. */
  readonly sql: pg.Client;
  readonly #folder: string;
  readonly #witnessKey: NoteKey;

  private constructor(db: Database, sql: pg.Client, folder: string, witnessKey: NoteKey) {
    this.db = db;
    this.sql = sql;
    this.#folder = folder;
    this.#witnessKey = witnessKey;
  }

  static async open(url: string, folder: string): Promise<Scene> {
    await mkdir(folder, { recursive: true });
    const db = openDatabase(url, { onError: () => undefined });
    const sql = await client(url);
    await sql.query('set session_replication_role = replica; set search_path = countersign');
    const key = noteKey(WITNESS, COSIGNATURE, await openKeyFile(join(folder, 'witness.pem')));
    const scene = new Scene(db, sql, folder, key);
    await writeFile(scene.path('countersign.yaml'), scene.#config(url));
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sql.end();
    await this.db.close();
  }

  /** What it is like now is what `reset` goes back to. */
  async keep(): Promise<void> {
    await this.snapshot('kept');
    await cp(this.path('signed'), this.path('kept/signed'), { recursive: true });
    await cp(this.path('watched'), this.path('kept/watched'), { recursive: true });
  }

  async reset(): Promise<void> {
    await this.restore('kept');
    for (const name of ['signed', 'watched']) {
      await rm(this.path(name), { recursive: true, force: true });
      await cp(this.path(`kept/${name}`), this.path(name), { recursive: true });
    }
  }

  /** A backup of the log's tables, in a schema of its own. */
  async snapshot(schema: string): Promise<void> {
    await this.sql.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
    for (const name of await this.#tables())
      await this.sql.query(`create table ${schema}.${name} as table ${name}`);
  }

  async restore(schema: string): Promise<void> {
    const names = await this.#tables();
    await this.sql.query(`truncate ${names.join(', ')}`);
    for (const name of names)
      await this.sql.query(`insert into ${name} select * from ${schema}.${name}`);
  }

  async #tables(): Promise<string[]> {
    const { rows } = await this.sql.query<{ name: string }>(TABLES);
    return rows.map(({ name }) => name);
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** What a command prints, and how it ends. */
  async cli(...argv: readonly string[]): Promise<Said> {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    const config = argv.some((one) => ['--proof', '--tiles'].includes(one))
      ? []
      : ['--config', this.path('countersign.yaml')];
    const code = await main([...argv, ...config], {
      out: say,
      err: say,
      status: () => undefined,
      paint: (_, text) => text,
      interactive: false,
      width: undefined,
    });
    return { code, lines };
  }

  /** `audit verify` over the whole store, by an auditor who has kept the log's key, or the whole trust file. */
  verify(trust: 'trust' | 'trust-key' = 'trust-key'): Promise<Said> {
    return this.cli('audit', 'verify', '--trust', this.path(trust));
  }

  /** `audit verify` of a mirror that is taken now. */
  async mirrored(trust: 'trust' | 'trust-key' = 'trust-key'): Promise<Said> {
    const folder = this.path('mirror');
    await rm(folder, { recursive: true, force: true });
    const copied = await this.cli('audit', 'mirror', folder);
    if (copied.code !== 0) return copied;
    return this.cli('audit', 'verify', '--tiles', folder, '--trust', this.path(trust));
  }

  /** The record's id, and `audit verify --record` of it. */
  async proof(writer: string, seq: number): Promise<Said> {
    const { rows } = await this.sql.query('select id from record where writer = $1 and seq = $2', [
      writer,
      seq,
    ]);
    return this.cli(
      'audit',
      'verify',
      '--record',
      rows[0]?.id ?? writer,
      '--trust',
      this.path('trust-key'),
    );
  }

  /** A gateway's writer, which signs with the key that this installation keeps. */
  async writer(name: string): Promise<OpenAuditLog> {
    const keys = await openKeys(this.path('writer.pem'), assert.fail);
    const options = { db: this.db, writer: name, epoch: 1, held: () => true };
    return openAuditLog({ ...options, signing: { keys }, onError: assert.ifError });
  }

  /** Runs the sequencer until it has nothing to do, or for half a second; resolves with what it complained of. */
  async sequence(until?: () => Promise<boolean>): Promise<string[]> {
    const said: string[] = [];
    const running = startSequencer({
      db: this.db,
      everyMs: 10,
      followMs: 20,
      onError: (error) => said.push(reason(error)),
      onProblem: (writer, { seq, problem, detail }) =>
        said.push(`${writer}: record ${seq}: ${problem}: ${detail}`),
    });
    try {
      const done = until ?? (() => Promise.resolve(said.length > 0));
      await eventually('the sequencer to be done', done, until ? 20 : 0.5).catch(
        (error: unknown) => {
          if (until) throw error;
        },
      );
      return said;
    } finally {
      await running.close();
    }
  }

  async sequenceTo(size: number): Promise<void> {
    await this.sequence(async () => (await this.size()) === size);
  }

  async size(): Promise<number> {
    const { rows } = await this.sql.query('select size::int from tree_head');
    return rows[0].size;
  }

  /** Has the tree signed and, unless nobody answers, witnessed, as the gateway does; resolves with what went wrong. */
  async checkpoint({ witnessed }: { readonly witnessed: boolean }): Promise<readonly string[]> {
    const errors: string[] = [];
    const asked = witnessed ? await this.#startWitness() : undefined;
    const running = startCheckpoints({
      db: this.db,
      leading: () => true,
      openSigner: () =>
        openSigner(
          [process.execPath, SIGNER, this.path('signer.pem'), this.path('signed'), ORIGIN],
          (text) => errors.push(text),
        ),
      witnesses: asked ? [asked.witness] : [],
      quorum: 1,
      onError: (error) => errors.push(error.message),
      everyMs: 10,
    });
    try {
      const look = async () => {
        const { rows } = await this.sql.query(
          `select count(*)::int as there from tree_checkpoint c join tree_head h using (size)
           where not $1 or witnessed_at is not null`,
          [witnessed],
        );
        return errors.length > 0 || rows[0].there === 1;
      };
      await eventually('a checkpoint', look, 20);
      return errors;
    } finally {
      await running.close();
      await asked?.close();
    }
  }

  /** The key of the log, as whoever has stolen the file has it. */
  async logKey() {
    return openKeyFile(this.path('signer.pem'));
  }

  /** The key that the writers of this installation sign with, as a thief of the file has it. */
  async writerKey() {
    return openKeyFile(this.path('writer.pem'));
  }

  async #startWitness(): Promise<{ witness: AskedWitness; close(): Promise<void> }> {
    const log = noteKey(ORIGIN, ED25519, await this.logKey());
    const key = await openKeyFile(this.path('witness.pem'));
    const running = new Witness({ name: WITNESS, key, folder: this.path('watched'), logs: [log] });
    const listening = await listenWitness(running, { host: '127.0.0.1', port: 0 }, assert.ifError);
    const { url } = listening;
    return {
      witness: { name: WITNESS, url, key: parseVkey(formatVkey(this.#witnessKey)) },
      close: () => listening.close(),
    };
  }

  #config(url: string): string {
    return `
name: east
dataDir: .
store: { postgres: "${url}" }
policies: .
targets:
  shop:
    protocol: postgres
    url: postgres://gateway@127.0.0.1:1/shop
    password: "\${command:echo not-a-real-one}"
    analyser: { user: analyser, password: "\${command:echo not-a-real-one}" }
    tls: { mode: disable }
people: { ada@example.com: { name: Ada, groups: [engineering] } }
audit:
  origin: ${ORIGIN}
  key: ./signer.pem
  witnesses: { "${WITNESS}": { url: "http://127.0.0.1:1", key: "${formatVkey(this.#witnessKey)}" } }
`;
  }
}

const reason = (error: Error): string =>
  error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
