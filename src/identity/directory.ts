import type { Database } from '../store/database.ts';
import type { Notices } from '../store/notices.ts';
import { personKey } from './people.ts';
import type { Directory, Person } from './person.ts';

/** Tells every gateway whose row in the store has changed; the payload is the person's key. */
export const PERSON = 'countersign_person';
/** In place of a person: very many have changed. No address is so. */
export const EVERYBODY = '*';

/** A notice may get lost; what is older is asked for again. */
const LONGEST_MS = 30_000;
const MOST = 20_000;

type Entry = {
  readonly person: Promise<Person | undefined>;
  /** By `performance.now()`; until the answer is there it is fresh. */
  until: number;
};

type Row = {
  readonly name: string;
  readonly groups: readonly string[];
  readonly state: string;
  readonly left_ms: string;
};

export type OpenDirectory = Directory & {
  /** Keys of the people and machines of the configuration. */
  configured(): readonly string[];
  /** Asks anew about this person, or EVERYBODY, at the next question; who listens hears of it by the notice, as other gateways do. */
  forget(email: string): void;
  /** The configuration may have other people now. */
  reloaded(): void;
  /** Calls `listener` with the key of each person who may be another now, undefined for everybody. */
  onChange(listener: (email: string | undefined) => void): void;
};

/**
 * The people of the configuration and those that providers have told of, answered from memory: the same object until
 * something about that person changed. Whoever is gone or deactivated in the store is nobody, even when configured.
 */
export function openDirectory({
  db,
  notices,
  configured,
}: {
  readonly db: Database;
  readonly notices: Pick<Notices, 'on'>;
  readonly configured: () => ReadonlyMap<string, Person>;
}): OpenDirectory {
  const known = new Map<string, Entry>();
  /** So that who is as before stays the same object. */
  const last = new Map<string, Person>();
  const listeners = new Set<(email: string | undefined) => void>();
  let people = configured();

  const forget = (email: string | undefined): void => {
    if (email === undefined || email === EVERYBODY) known.clear();
    else known.delete(email);
  };
  const heard = (key: string | undefined): void => {
    const email = key === EVERYBODY ? undefined : key;
    forget(email);
    for (const listener of listeners) listener(email);
  };
  notices.on(PERSON, heard);

  async function load(key: string): Promise<{ person: Person | undefined; freshMs: number }> {
    const { rows } = await db.pool.query<Row>(
      // PostgreSQL before 17 does not subtract from infinity.
      `select name, groups, state, (extract(epoch from
         least(valid_until, clock_timestamp() + interval '1 day') - clock_timestamp()) * 1000)::text as left_ms
       from countersign.person where email = $1`,
      [key],
    );
    const leftMs = Number(rows[0]?.left_ms ?? 0);
    const person = personFrom(key, people.get(key), rows[0], leftMs > 0);
    return { person, freshMs: leftMs > 0 ? Math.min(leftMs, LONGEST_MS) : LONGEST_MS };
  }

  function ask(key: string): Promise<Person | undefined> {
    const loading = load(key);
    const entry: Entry = {
      until: Number.POSITIVE_INFINITY,
      person: loading.then(({ person, freshMs }) => {
        entry.until = performance.now() + freshMs;
        return same(key, person);
      }),
    };
    entry.person.catch(() => known.get(key) === entry && known.delete(key));
    known.set(key, entry);
    dropOldest(known);
    return entry.person;
  }

  function same(key: string, person: Person | undefined): Person | undefined {
    const before = last.get(key);
    if (person && before && JSON.stringify(before) === JSON.stringify(person)) return before;
    last.delete(key);
    if (person) last.set(key, person);
    dropOldest(last);
    return person;
  }

  return {
    find(email) {
      const key = personKey(email);
      const entry = known.get(key);
      return entry && entry.until > performance.now() ? entry.person : ask(key);
    },
    configured: () => [...people.keys()],
    forget: (email) => forget(personKey(email)),
    reloaded() {
      people = configured();
      heard(undefined);
    },
    onChange: (listener) => void listeners.add(listener),
  };
}

function personFrom(
  email: string,
  configured: Person | undefined,
  row: Row | undefined,
  valid: boolean,
): Person | undefined {
  if (row && row.state !== 'active') return undefined;
  // A machine is what the configuration says and nothing more.
  if (!row || !valid || configured?.machine) return configured;
  const groups = [...new Set([...(configured?.groups ?? []), ...row.groups])];
  return { email, name: configured?.name ?? row.name, groups };
}

/** So the memory is bounded however many strangers are asked about. */
function dropOldest(kept: Map<string, unknown>): void {
  if (kept.size <= MOST) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
