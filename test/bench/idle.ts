import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Middle } from './middle.ts';
import { residentBytes } from './processes.ts';

export type Idle = {
  readonly connections: number;
  /** Resident memory of a gateway that had served nothing, and of the same gateway with all connections open. */
  readonly bytesBefore?: number;
  readonly bytesAfter?: number;
  readonly bytesEach?: number;
  /** How many answered a statement after they had been idle. */
  readonly answered: number;
};

/** How many clients connect, or ask, at a time. */
const AT_ONCE = 20;
/** Long enough for the garbage of connecting to be collected. */
const SETTLE_MS = 3_000;

/** Opens connections through the gateway, leaves them idle, and then asks each of them something. */
export async function measureIdle({ place, pid }: Middle, connections: number): Promise<Idle> {
  const bytesBefore = await residentBytes(pid);
  const clients = Array.from({ length: connections }, () => new pg.Client({ ...place }));
  // One that breaks is one that does not answer.
  for (const client of clients) client.on('error', () => undefined);
  try {
    await inTurns(clients, async (client) => void (await client.connect()));
    await sleep(SETTLE_MS);
    const bytesAfter = await residentBytes(pid);
    let answered = 0;
    await inTurns(clients, async (client) => {
      const rows = await client.query('select 1').catch(() => undefined);
      if (rows?.rowCount === 1) answered++;
    });
    if (bytesBefore === undefined || bytesAfter === undefined) return { connections, answered };
    const bytesEach = (bytesAfter - bytesBefore) / connections;
    return { connections, bytesBefore, bytesAfter, bytesEach, answered };
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()));
  }
}

async function inTurns(
  clients: readonly pg.Client[],
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const waiting = clients.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const client of waiting) await work(client);
    }),
  );
}
