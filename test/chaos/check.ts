import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { checkLedger } from '../conformance/ledger.ts';
import { client, inDatabase } from '../fakes/shop.ts';
import type { Act } from './load.ts';
import type { World } from './world.ts';

/** What the target, the log, the clients and the approvers each know of one held statement. */
type Facts = {
  readonly ran: number;
  readonly effect: number;
  readonly held: number;
  readonly claims: number;
  readonly outcomes: readonly { readonly ok?: boolean; readonly unknown?: boolean }[];
};
const NOTHING: Facts = { ran: 0, effect: 0, held: 0, claims: 0, outcomes: [] };

/**
 * Compares what the target itself logged and holds with the records, and both with what clients and approvers did.
 * Believes nobody; gives one line for each contradiction.
 */
export async function check(world: World, acts: ReadonlyMap<number, Act>): Promise<string[]> {
  const { base } = world;
  const [store, shop] = await Promise.all([
    client(inDatabase(base.store.url, 'countersign')),
    client(inDatabase(base.target.url, 'shop')),
  ]);
  try {
    const facts = await gather(store, shop, base.target.logFile);
    const wrong = [...acts.values()].flatMap((act) =>
      contradictions(act, facts.get(act.id) ?? NOTHING).map(
        (text) => `${act.kind} ${act.id} (${act.plan}, ${act.ending} ${act.error ?? ''}): ${text}`,
      ),
    );
    for (const id of facts.keys()) if (!acts.has(id)) wrong.push(`act ${id}: nobody sent it`);
    wrong.push(...(await leftOpen(store)), ...(await lostNotes(shop, acts)));
    const said = await checkLedger({ ...base, records: (kind) => recordsOf(store, kind) }).catch(
      (error: Error) => error.message,
    );
    return said === undefined ? wrong : [...wrong, said];
  } finally {
    await Promise.all([store.end(), shop.end()]);
  }
}

function contradictions(act: Act, { ran, effect, held, claims, outcomes }: Facts): string[] {
  const wrong: string[] = [];
  const demand = (holds: boolean, text: string): void => {
    if (!holds) wrong.push(text);
  };
  const heldKind = act.kind === 'act' || act.kind === 'transaction';
  demand(ran <= 1, `ran ${ran} times`);
  demand(effect <= ran, `took effect ${effect} times and ran ${ran} times`);
  demand(ran <= claims, 'ran without the record of its claim');
  demand(claims <= held, 'was claimed without the record of its hold');
  demand(claims === 0 || act.approvals > 0, 'was claimed, and nobody approved it');
  demand(outcomes.length === claims, `${claims} claims and ${outcomes.length} outcomes`);
  if (outcomes.some(({ ok }) => ok)) demand(ran === 1, 'has a good outcome and did not run');
  if (heldKind && act.ending === 'done')
    demand(effect === 1, 'the client was told that it is done, and it had no effect');
  if (act.ending === 'refused')
    demand(effect === 0, 'the client was told that it did not run, and it took effect');
  return wrong;
}

const UPDATE =
  /<gateway> LOG: {2}(?:statement|execute [^:]*): update acts set n = n \+ 1 where id = (?:(\d+)|\$1)/;
const PARAMETER = /\$1 = '(\d+)'/;

async function gather(
  store: pg.Client,
  shop: pg.Client,
  logFile: string,
): Promise<Map<number, Facts>> {
  const found = new Map<number, Facts>();
  const at = (id: number, change: (facts: Facts) => Facts): void =>
    void found.set(id, change(found.get(id) ?? NOTHING));
  for (const id of executions(await readFile(logFile, 'utf8')))
    at(id, (facts) => ({ ...facts, ran: facts.ran + 1 }));
  const effects = await shop.query<{ id: number; n: number }>('select id, n from acts where n > 0');
  for (const { id, n } of effects.rows) at(id, (facts) => ({ ...facts, effect: n }));
  const records = await recordsOf(store);
  const ids = new Map<string, number>();
  for (const { statement, kind, verdict, json } of records)
    if (kind === 'statement' && verdict === 'hold') ids.set(statement, idOf(json.body.text));
  for (const { statement, kind, json } of records) {
    const id = ids.get(statement);
    if (id === undefined) continue;
    if (kind === 'statement') at(id, (facts) => ({ ...facts, held: facts.held + 1 }));
    if (kind === 'claim') at(id, (facts) => ({ ...facts, claims: facts.claims + 1 }));
    if (kind === 'outcome')
      at(id, (facts) => ({ ...facts, outcomes: [...facts.outcomes, json.body] }));
  }
  return found;
}

/** The ids whose update the target logged as begun, in its own words. */
function executions(log: string): number[] {
  const entries = log.split(/^(?=\d{4}-\d\d-\d\d )/m);
  return entries.flatMap((entry, i) => {
    const hit = UPDATE.exec(entry);
    if (!hit) return [];
    return [Number(hit[1] ?? PARAMETER.exec(entries[i + 1] ?? '')?.[1])];
  });
}

function idOf(text: string): number {
  return Number(/id = (\d+)/.exec(text)?.[1] ?? /\$1 = '?(\d+)/.exec(text)?.[1]);
}

async function recordsOf(store: pg.Client, kind?: string): Promise<any[]> {
  const { rows } = await store.query(
    'select *, body::jsonb as json from countersign.record_body where $1::text is null or kind = $1 order by at',
    [kind ?? null],
  );
  return rows;
}

async function leftOpen(store: pg.Client): Promise<string[]> {
  const { rows } = await store.query<{ id: string; state: string }>(
    `select id, state from countersign.request where state in ('pending', 'approved', 'running')`,
  );
  return rows.map(({ id, state }) => `the request ${id} is still ${state}`);
}

/** What a client was told is written is there, once; what it was told is refused is not. */
async function lostNotes(shop: pg.Client, acts: ReadonlyMap<number, Act>): Promise<string[]> {
  const { rows } = await shop.query<{ text: string; times: string }>(
    'select text, count(*) as times from notes group by text',
  );
  const there = new Map(rows.map(({ text, times }) => [text, Number(times)]));
  return [...acts.values()]
    .filter(({ kind }) => kind === 'note' || kind === 'transaction')
    .flatMap(({ id, ending, error }) => {
      const times = there.get(`note-${id}`) ?? 0;
      if (times > 1) return `note ${id} is there ${times} times`;
      if (ending === 'done' && times === 0) return `note ${id} was acknowledged and is not there`;
      if (ending === 'refused' && times === 1)
        return `note ${id} was refused (${error}) and is there`;
      return [];
    });
}
