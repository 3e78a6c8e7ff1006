import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listenWitness } from '#gateway/witness/listener.ts';
import type { Finding } from '#src/audit/check.ts';
import { startAnchors, type Anchor } from '#src/audit/tree/anchors.ts';
import { startCheckpoints, type CheckpointOptions } from '#src/audit/tree/checkpoints.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { COSIGNATURE, ED25519, noteKey, type NoteKey } from '#src/audit/tree/note.ts';
import {
  startSequencer,
  type Sequencer,
  type SequencerOptions,
} from '#src/audit/tree/sequencer.ts';
import { openSigner, type Signer } from '#src/audit/tree/signer.ts';
import { Witness } from '#src/audit/tree/witness.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import type { Receipt } from '#src/audit/log.ts';
import { eventually } from '../fakes/gateway.ts';
import { startStore, type TestStore } from '../unit/store/store.ts';

const SIGNER = fileURLToPath(new URL('../../src/audit/tree/signer-main.ts', import.meta.url));
export const ORIGIN = 'log.example.com/test';

export type Signed = { readonly size: number; readonly note: string; readonly witnessed: boolean };

/** A store of its own with everything that makes a tree over its records. */
export class TreeWorld implements AsyncDisposable {
  readonly store: TestStore;
  readonly folder: string;
  readonly errors: Error[] = [];
  readonly findings: { readonly writer: string; readonly finding: Finding }[] = [];
  readonly #open: { close(): Promise<void> }[] = [];

  private constructor(store: TestStore, folder: string) {
    this.store = store;
    this.folder = folder;
  }

  static async start(): Promise<TreeWorld> {
    return new TreeWorld(await startStore(), await mkdtemp(join(tmpdir(), 'countersign-tree-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAll();
    await this.store.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Closes what was opened here, the newest first; the store stays. */
  async closeAll(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- in order
    for (const one of this.#open.splice(0).toReversed()) await one.close();
  }

  adopt<T extends { close(): Promise<void> }>(one: T): T {
    this.#open.push(one);
    return one;
  }

  async writer(name = `gateway-${randomUUID()}`): Promise<OpenAuditLog> {
    const options = { db: this.store.db, writer: name, epoch: 1, held: () => true };
    return this.adopt(await openAuditLog({ ...options, onError: assert.ifError }));
  }

  sequence(more: Partial<SequencerOptions> = {}): Sequencer {
    return this.adopt(
      startSequencer({
        db: this.store.db,
        everyMs: 20,
        followMs: 50,
        onError: (error) => this.errors.push(error),
        onProblem: (writer, finding) => this.findings.push({ writer, finding }),
        ...more,
      }),
    );
  }

  checkpoint(more: Partial<CheckpointOptions> = {}): void {
    this.adopt(
      startCheckpoints({
        db: this.store.db,
        leading: () => true,
        openSigner: () => this.signer(),
        witnesses: [],
        quorum: 0,
        onError: (error) => this.errors.push(error),
        everyMs: 20,
        ...more,
      }),
    );
  }

  anchor(...anchors: readonly Anchor[]): void {
    const onError = (error: Error): void => void this.errors.push(error);
    this.adopt(startAnchors({ db: this.store.db, anchors, onError, lookMs: 20 }));
  }

  signer(): Promise<Signer> {
    const key = join(this.folder, 'signer.pem');
    const command = [process.execPath, SIGNER, key, join(this.folder, 'signed'), ORIGIN] as const;
    return openSigner(command, (text) => this.errors.push(new Error(text)));
  }

  async key(name = 'signer'): Promise<NoteKey> {
    return noteKey(ORIGIN, ED25519, await openKeyFile(join(this.folder, `${name}.pem`)));
  }

  async witness(name: string, log: NoteKey) {
    const key = await openKeyFile(join(this.folder, `${name}.pem`));
    const folder = join(this.folder, randomUUID());
    const running = new Witness({ name, key, folder, logs: [log] });
    const address = { host: '127.0.0.1', port: 0 };
    const { url } = this.adopt(await listenWitness(running, address, assert.ifError));
    return { name, url, key: noteKey(name, COSIGNATURE, key) };
  }

  async size(): Promise<number> {
    const { rows } = await this.store.db.pool.query('select size::int from countersign.tree_head');
    return rows[0].size;
  }

  async signed(): Promise<Signed | undefined> {
    const { rows } = await this.store.db.pool.query(
      'select size::int, note, witnessed_at is not null as witnessed from countersign.tree_checkpoint order by size desc limit 1',
    );
    return rows[0];
  }

  reaches(count: number): Promise<boolean> {
    return eventually(`a tree of ${count}`, async () => (await this.size()) === count, 30);
  }

  /** As somebody does who owns the database: the triggers are in nobody's way then. */
  async tamper(sql: string): Promise<void> {
    await this.store.db.transaction(async (client) => {
      await client.query('set local session_replication_role = replica');
      await client.query(sql);
    });
  }

  heard(words: RegExp): Promise<boolean> {
    const look = () => this.errors.some(({ message }) => words.test(message));
    return eventually(`an error like ${words}`, look, 20);
  }
}

export const write = (log: OpenAuditLog, count: number): Promise<Receipt[]> =>
  Promise.all(
    Array.from({ length: count }, (_, n) =>
      log.append({ kind: 'statement', verdict: 'allow', body: { n } }),
    ),
  );
