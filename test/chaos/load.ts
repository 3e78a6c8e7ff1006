import { setTimeout as sleep } from 'node:timers/promises';
import net from 'node:net';
import pg from 'pg';
import { serialize } from 'pg-protocol';
import { Random } from './random.ts';
import type { World } from './world.ts';

/** What a client means to do with a held statement once it waits. */
type Plan = 'approve' | 'deny' | 'expire' | 'cancel' | 'leave';
const PLANS = { approve: 60, deny: 12, expire: 6, cancel: 12, leave: 10 } as const;
const KINDS = { read: 30, note: 15, act: 40, transaction: 15 } as const;
const PAUSE_MS = 20;
const PATIENCE_MS = 15_000;

/** One statement that a client sent, and what it was told. */
export type Act = {
  readonly id: number;
  readonly kind: keyof typeof KINDS;
  readonly plan: Plan;
  /** `done` only when the server said so, `refused` when it said that nothing ran. */
  ending: 'sent' | 'done' | 'refused' | 'lost';
  error?: string;
  approvals: number;
};

export type Load = {
  readonly acts: ReadonlyMap<number, Act>;
  /** Lets what is under way end, then stops. */
  stop(): Promise<void>;
};

/** Clients and approvers that go on through every fault, and note what they did and heard. */
export function startLoad(world: World, seed: number, clients: number): Load {
  const acts = new Map<number, Act>();
  const stopping = new AbortController();
  const workers = Array.from({ length: clients }, (_, i) =>
    work(new Worker(world, acts, new Random(seed + i), i), stopping.signal),
  );
  const approver = approve(world, acts, new Random(seed - 1), stopping.signal);
  return {
    acts,
    async stop() {
      stopping.abort();
      await Promise.all(workers);
      await approver;
    },
  };
}

async function work(worker: Worker, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await worker.session(signal);
    await sleep(PAUSE_MS);
  }
}

class Worker {
  readonly #world: World;
  readonly #acts: Map<number, Act>;
  readonly #random: Random;
  #next: number;

  constructor(world: World, acts: Map<number, Act>, random: Random, index: number) {
    this.#world = world;
    this.#acts = acts;
    this.#random = random;
    this.#next = index * 4_000;
  }

  /** Connects to one of the gateways and sends a few statements; ends at the first line that breaks. */
  async session(signal: AbortSignal): Promise<void> {
    const node = this.#world.nodes[this.#random.between(0, 1)];
    if (!node) return;
    const client = new pg.Client({
      host: '127.0.0.1',
      port: node.clients.port,
      user: 'engineer@example.com',
      password: await this.#world.base.token('engineer'),
      database: 'shop',
      connectionTimeoutMillis: 5_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      for (let n = this.#random.between(1, 12); n > 0 && !signal.aborted; n -= 1)
        if (!(await this.#act(client))) return;
    } catch {
      // Refused, or the gateway is down: the next session tries again.
    } finally {
      const gone = new Promise((resolve) => client.once('end', resolve));
      void client.end().catch(() => undefined);
      await Promise.race([gone, sleep(1_000)]);
      client.connection.stream.destroy();
    }
  }

  /** False when the connection cannot be used any more. */
  async #act(client: pg.Client): Promise<boolean> {
    const id = (this.#next += 1);
    const plan = this.#random.weighted(PLANS);
    const act: Act = { id, kind: this.#random.weighted(KINDS), plan, ending: 'sent', approvals: 0 };
    this.#acts.set(id, act);
    const done = this.#send(client, act).then(
      () => 'done' as const,
      (error: Error & { code?: string }) => {
        act.error = `${error.code ?? ''} ${error.message}`;
        return refusal(error) ? ('refused' as const) : ('lost' as const);
      },
    );
    const changeOfMind =
      act.kind === 'act' || act.kind === 'transaction' ? this.#change(client, act) : undefined;
    const ending = await Promise.race([done, sleep(PATIENCE_MS, 'lost' as const, { ref: false })]);
    await changeOfMind;
    act.ending = ending;
    if (ending === 'refused' && act.kind === 'transaction') await client.query('rollback');
    return ending !== 'lost';
  }

  async #send(client: pg.Client, { id, kind }: Act): Promise<void> {
    const extended = this.#random.next() < 0.5;
    const held = () =>
      extended
        ? client.query('update acts set n = n + 1 where id = $1', [id])
        : client.query(`update acts set n = n + 1 where id = ${id}`);
    if (kind === 'read')
      await client.query(`select total, 'read-${id}' as tag from orders where id = 1`);
    else if (kind === 'note') await client.query(`insert into notes values ('note-${id}')`);
    else if (kind === 'act') await held();
    else {
      await client.query('begin');
      await client.query(`insert into notes values ('note-${id}')`);
      await held();
      await client.query('commit');
    }
  }

  async #change(client: pg.Client, { plan }: Act): Promise<void> {
    if (plan !== 'cancel' && plan !== 'leave') return;
    await sleep(this.#random.between(0, 400));
    if (plan === 'leave') client.connection.stream.destroy();
    else this.#cancel(client);
  }

  /** Ctrl-C, which may come in at the other gateway. */
  #cancel(client: pg.Client): void {
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const node = this.#world.nodes[this.#random.between(0, 1)];
    if (!node || processID === null) return;
    const socket = net.connect(node.clients.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(serialize.cancel(processID, secretKey));
    socket.resume();
  }
}

/** The server said that this did not run; a line that broke, or a server that went, says nothing. */
function refusal(error: Error): boolean {
  return error instanceof pg.DatabaseError && !/^(08|57P|XX)/.test(error.code ?? 'XX');
}

async function approve(
  world: World,
  acts: ReadonlyMap<number, Act>,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const handled = new Set<string>();
  while (!signal.aborted) {
    const requests = await ask(world, random, 'approver', '/requests?state=pending');
    for (const { id, card } of requests?.requests ?? []) {
      if (handled.has(id)) continue;
      const act = acts.get(
        Number(/id = (\d+)|\$1 = '?(\d+)/.exec(card.masked)?.slice(1).find(Boolean)),
      );
      if (!act || act.plan === 'expire') continue;
      handled.add(id);
      void (random.next() < 0.3 ? click(world, random, id, act) : decide(world, random, id, act));
    }
    await sleep(100);
  }
}

/** A click on the card, as soon as there is one; what chat answers is not looked at. */
async function click(world: World, random: Random, id: string, act: Act): Promise<void> {
  if (act.plan !== 'approve') return decide(world, random, id, act);
  for (let tries = 0; tries < 40; tries += 1) {
    await sleep(200);
    const card = world.slack.messages.find(({ metadata }) =>
      JSON.stringify(metadata ?? '').includes(id),
    );
    if (!card) continue;
    act.approvals += 1;
    await world.actor.click('UAPPROVER', 'approve', card).catch(() => undefined);
    return;
  }
}

async function decide(world: World, random: Random, id: string, act: Act): Promise<void> {
  await sleep(random.between(0, 300));
  const decision = act.plan === 'deny' ? 'deny' : 'approve';
  const voters = random.next() < 0.2 ? ['approver', 'approver2'] : ['approver'];
  await Promise.all(
    voters.map(async (who) => {
      if (decision === 'approve') act.approvals += 1;
      // A vote whose answer is lost is cast again, as a person would.
      for (let tries = 0; tries < 3; tries += 1) {
        const body = { decision, reason: 'chaos' };
        if (await ask(world, random, who, `/requests/${id}/decision`, body)) return;
        await sleep(200);
      }
    }),
  );
}

/** Asks one of the gateways; undefined when it gave no answer. */
async function ask(
  world: World,
  random: Random,
  who: string,
  path: string,
  body?: unknown,
): Promise<any> {
  const node = world.nodes[random.between(0, 1)];
  try {
    const response = await fetch(`${node?.api}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      signal: AbortSignal.timeout(4_000),
      headers: {
        authorization: `Bearer ${await world.base.token(who, 'decide')}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return response.status >= 500 ? undefined : await response.json();
  } catch {
    return undefined;
  }
}
