import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { parseCheckpoint, type Checkpoint } from '#src/audit/tree/checkpoint.ts';
import { startCheckpoints } from '#src/audit/tree/checkpoints.ts';
import { emptyRoot } from '#src/audit/tree/merkle.ts';
import { formatVkey, parseNote, parseVkey } from '#src/audit/tree/note.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openSigner } from '#src/audit/tree/signer.ts';
import { parseTrust } from '#src/audit/tree/trust.ts';
import { verifyTree } from '#src/audit/tree/verify-tree.ts';
import { verifyLog } from '#src/audit/verify.ts';
import { openDatabase, type Database } from '#src/store/database.ts';
import { eventually } from '../fakes/gateway.ts';
import { inDatabase } from '../fakes/shop.ts';
import { ORIGIN, type Trail } from './trail.ts';
import type { World } from './world.ts';

/** Whoever reads the log's newest checkpoint again and again, and believes nobody. */
export function watchLog({ nodes }: World): { stop(): Promise<Watched> } {
  const seen = new Map<string, Checkpoint>();
  const wrong: string[] = [];
  const stopping = new AbortController();
  const watch = async (address: string): Promise<void> => {
    let last = 0;
    while (!stopping.signal.aborted) {
      const note = await textOf(address);
      if (note !== undefined) {
        const head = parseCheckpoint(parseNote(note).text);
        if (head.size < last)
          wrong.push(`a checkpoint of ${last} was served, then one of ${head.size}`);
        last = head.size;
        seen.set(`${head.size} ${head.root.toString('hex')}`, head);
      }
      await sleep(250);
    }
  };
  const running = nodes.map(({ api }) => watch(api.replace(/api\/v1$/, 'log/checkpoint')));
  return {
    async stop() {
      // A short run on a busy machine may end before the first.
      await eventually('a checkpoint', () => seen.size > 0, 30).catch(() => undefined);
      stopping.abort();
      await Promise.all(running);
      return { seen: [...seen.values()], wrong };
    },
  };
}

type Watched = { readonly seen: readonly Checkpoint[]; readonly wrong: readonly string[] };

/** Undefined when the gateway is down, or nothing is signed yet. */
async function textOf(address: string): Promise<string | undefined> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(2_000) });
    return answer.ok ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The chains, the tree and its checkpoints, with nothing else running: every record is in its place, signed and witnessed,
 * and what was served meanwhile, and what signer and witness remember, is the beginning of what there is now.
 */
export async function checkTree(
  { base, trail }: World,
  { seen, wrong }: Watched,
): Promise<string[]> {
  const db = openDatabase(inDatabase(base.store.url, 'countersign'), { onError: () => undefined });
  try {
    const unfinished = await finish(db, trail);
    const [signer, witness] = [await memory(trail.signed), await memory(trail.watched)];
    const trust = parseTrust(
      `log ${formatVkey(trail.log)}\nwitness w ${formatVkey(trail.witness)}\nquorum w\n`,
    );
    const chains = await verifyLog(db);
    const tree = await verifyTree(db, {
      trust,
      seen: [...seen, signer, witness].filter(({ size }) => size > 0),
    });
    const newest = tree.signed?.size ?? 0;
    const demands: readonly (readonly [boolean, string])[] = [
      [seen.length > 0, 'nobody was served a checkpoint'],
      [tree.waiting === 0, `${tree.waiting} records are in no tree`],
      [newest === tree.size, `${newest} of ${tree.size} records are signed`],
      [tree.signed?.witnessed === true, 'the newest checkpoint is not witnessed'],
      [signer.size === newest, `the signer remembers ${signer.size} records of ${newest}`],
      [witness.size === newest, `the witness remembers ${witness.size} records of ${newest}`],
    ];
    return [
      ...wrong,
      ...unfinished,
      ...chains.writers.flatMap((one) =>
        one.bad ? [`the chain of ${one.writer}: ${JSON.stringify(one.bad)}`] : [],
      ),
      ...tree.problems,
      ...demands.flatMap(([holds, text]) => (holds ? [] : [text])),
    ];
  } finally {
    await db.close();
  }
}

/** Lets what the last gateway left be placed, signed and witnessed. */
async function finish(db: Database, { audit }: Trail): Promise<string[]> {
  const errors: string[] = [];
  const onError = (error: Error): void => void errors.push(inspect(error));
  const [program = '', ...args] = audit.signer ?? [];
  const sequencer = startSequencer({
    db,
    followMs: 200,
    onError,
    onProblem: (writer, finding) => errors.push(`${writer}: ${JSON.stringify(finding)}`),
  });
  const checkpoints = startCheckpoints({
    db,
    leading: () => sequencer.leading(),
    openSigner: () => openSigner([program, ...args], (text) => errors.push(text)),
    witnesses: audit.witnesses.map(({ name, url, key }) => ({ name, url, key: parseVkey(key) })),
    quorum: audit.quorum,
    everyMs: 200,
    onError,
  });
  try {
    await eventually(
      'every record to be witnessed',
      async () => {
        const { rowCount } = await db.pool.query(
          `select from countersign.tree_head h join countersign.tree_checkpoint c using (size) where c.witnessed_at is not null
           and h.size = (select count(*) from countersign.record)`,
        );
        return rowCount === 1;
      },
      30,
    );
    return [];
  } catch (error) {
    return [`${String(error)}: ${errors.join('; ')}`];
  } finally {
    await checkpoints.close();
    await sequencer.close();
  }
}

/** A tree of no records where nothing was ever remembered. */
async function memory(folder: string): Promise<Checkpoint> {
  const names = await readdir(folder).catch(() => []);
  const file = names.find((name) => name.endsWith('.json'));
  if (file === undefined) return { origin: ORIGIN, size: 0, root: emptyRoot };
  const { size, root } = JSON.parse(await readFile(join(folder, file), 'utf8'));
  return { origin: ORIGIN, size, root: Buffer.from(root, 'base64') };
}
