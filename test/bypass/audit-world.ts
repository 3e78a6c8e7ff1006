import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from '#src/audit/log.ts';
import type { OpenAuditLog } from '#src/audit/writer.ts';
import { migrate } from '#src/store/migrate.ts';
import { startPostgres, type TestPostgres } from '../fakes/postgres.ts';
import { inDatabase, sqlOn } from '../fakes/shop.ts';
import { Scene } from './audit-scene.ts';

/** Entries of the tree at each step; what was written after the last is durable, and in no tree. */
export const STEPS = { witnessed: 300, signed: 320, sequenced: 330, durable: 334 } as const;
export type Step = keyof typeof STEPS;
/** A record of `east` for each state that a record can be in. */
export const IN: Readonly<Record<Step, number>> = {
  witnessed: 40,
  signed: 155,
  sequenced: 163,
  durable: 166,
};

/** A log that has been at work for a while: two writers, and its newest records are not witnessed, not signed, not placed yet. */
export class AuditWorld implements AsyncDisposable {
  readonly #postgres: TestPostgres;
  readonly #folder: string;
  #scenes = 0;

  private constructor(postgres: TestPostgres, folder: string) {
    this.#postgres = postgres;
    this.#folder = folder;
  }

  static async start(): Promise<AuditWorld> {
    const [postgres, folder] = await Promise.all([
      startPostgres(),
      mkdtemp(join(tmpdir(), 'countersign-attack-')),
    ]);
    const world = new AuditWorld(postgres, folder);
    await sqlOn(postgres.url, 'create database pristine');
    const scene = await Scene.open(inDatabase(postgres.url, 'pristine'), join(folder, 'pristine'));
    try {
      await fill(scene);
    } finally {
      await scene[Symbol.asyncDispose]();
    }
    return world;
  }

  /** A copy of that log, with its signer's and its witness' memory, for one attack. */
  async scene(): Promise<Scene> {
    const name = `scene_${++this.#scenes}`;
    await sqlOn(this.#postgres.url, `create database ${name} template pristine`);
    const folder = join(this.#folder, name);
    await cp(join(this.#folder, 'pristine'), folder, { recursive: true });
    return Scene.open(inDatabase(this.#postgres.url, name), folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#postgres.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function fill(scene: Scene): Promise<void> {
  await migrate(scene.db);
  const logs = [await scene.writer('east'), await scene.writer('west')];
  const grow = async (to: number, from: number): Promise<void> => {
    const each = (to - from) / logs.length;
    for (const log of logs) await write(log, each);
  };
  // Each begins with a record that says its key.
  await grow(STEPS.witnessed, logs.length);
  await scene.sequenceTo(STEPS.witnessed);
  await scene.checkpoint({ witnessed: true });
  const mirrored = await scene.cli('audit', 'mirror', scene.path('seen'));
  assert.equal(mirrored.code, 0, mirrored.lines.join('\n'));
  const trust = await scene.cli('audit', 'trust');
  await writeFile(scene.path('trust'), `${trust.lines.join('\n')}\n`);
  // Who believes the log's key alone: for what is signed and not witnessed yet.
  await writeFile(scene.path('trust-key'), `${trust.lines[0]}\nquorum none\n`);
  await grow(STEPS.signed, STEPS.witnessed);
  await scene.sequenceTo(STEPS.signed);
  await scene.checkpoint({ witnessed: false });
  await grow(STEPS.sequenced, STEPS.signed);
  await scene.sequenceTo(STEPS.sequenced);
  await grow(STEPS.durable, STEPS.sequenced);
  for (const log of logs) await log.close();
  await scene.keep();
}

export async function write(log: OpenAuditLog, count: number): Promise<void> {
  const entry: Entry = {
    kind: 'statement',
    person: 'ada@example.com',
    target: 'shop',
    verdict: 'allow',
    body: { text: 'select 1' },
  };
  await Promise.all(Array.from({ length: count }, () => log.append(entry)));
}
