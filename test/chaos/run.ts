import { copyFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { serve } from '#gateway/main.ts';
import { openLogger } from '#src/config/logger.ts';
import { check } from './check.ts';
import { oneFault, type Fault } from './faults.ts';
import { startLoad, type Act } from './load.ts';
import { Random } from './random.ts';
import { checkTree, watchLog } from './tree.ts';
import { startWorld, type World } from './world.ts';

export type ChaosOptions = {
  readonly seed: number;
  readonly faults: number;
  readonly clients: number;
  readonly queue: 'postgres' | 'redis';
  readonly say: (line: string) => void;
};
export type ChaosResult = {
  readonly struck: ReadonlyMap<Fault, number>;
  readonly acts: ReadonlyMap<number, Act>;
  /** One line for each contradiction between target, log, clients, approvers, and who has seen the log's checkpoints. */
  readonly wrong: readonly string[];
};

/** A mixed load on two gateways, a bot, a signer and a witness while everything around them breaks; then an account of it. */
export async function chaos({
  seed,
  faults,
  clients,
  queue,
  say,
}: ChaosOptions): Promise<ChaosResult> {
  const random = new Random(seed);
  const world = await startWorld(queue);
  try {
    const load = startLoad(world, seed * 1_000, clients);
    const watching = watchLog(world);
    const struck = new Map<Fault, number>();
    await sleep(2_000);
    for (let n = 1; n <= faults; n += 1) {
      await sleep(random.between(100, 1_500));
      await underLoad(load.acts);
      const fault = await oneFault(world, random);
      struck.set(fault, (struck.get(fault) ?? 0) + 1);
      if (n % 20 === 0) say(`${n} of ${faults} faults, ${load.acts.size} statements`);
    }
    await sleep(3_000);
    await load.stop();
    const watched = await watching.stop();
    await world.stopProcesses();
    await putRight(world);
    const wrong = [...(await check(world, load.acts)), ...(await checkTree(world, watched))];
    if (wrong.length > 0) {
      await copyFile(world.log, 'chaos-processes.log').catch(() => undefined);
      await copyFile(world.base.target.logFile, 'chaos-target.log').catch(() => undefined);
    }
    return { struck, acts: load.acts, wrong };
  } finally {
    await world.stop();
  }
}

/** On a slow machine faults would only hit what is still starting: waits until a statement is done, 3 s at most. */
async function underLoad(acts: ReadonlyMap<number, Act>): Promise<void> {
  const done = (): number =>
    [...acts.values()].filter(({ ending }) => ending === 'done' || ending === 'refused').length;
  const before = done();
  for (let tries = 0; tries < 30 && done() === before; tries += 1) await sleep(100);
}

/** Each gateway once more, so that nothing of what it left is still to be put right. */
async function putRight({ base }: World): Promise<void> {
  const log = openLogger('silent', { write: () => undefined });
  // The ports that they had may be somebody else's by now.
  const any = { host: '127.0.0.1', port: 0 };
  const config = { ...base.config, listen: { console: any, postgres: any } };
  for (const name of ['one', 'two', 'three/bot']) {
    const running = await serve(config, { log, name, takeOver: true, bot: false });
    await running.stop();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      faults: { type: 'string', default: '200' },
      clients: { type: 'string', default: '8' },
      queue: { type: 'string', default: 'postgres' },
    },
  });
  const seed = Number(values.seed);
  const queue = values.queue === 'redis' ? 'redis' : 'postgres';
  console.log(`seed ${seed}, queue on ${queue}`);
  const from = Date.now();
  const { struck, acts, wrong } = await chaos({
    seed,
    faults: Number(values.faults),
    clients: Number(values.clients),
    queue,
    say: (line) => console.log(line),
  });
  const count = (by: (act: Act) => string): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const act of acts.values()) counts[by(act)] = (counts[by(act)] ?? 0) + 1;
    return counts;
  };
  console.table(Object.fromEntries(struck));
  console.table(count(({ kind, ending }) => `${kind}, ${ending}`));
  for (const line of wrong) console.error(line);
  const seconds = Math.round((Date.now() - from) / 1_000);
  console.log(
    `seed ${seed}: ${acts.size} statements in ${seconds} s, ${wrong.length} contradictions`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
