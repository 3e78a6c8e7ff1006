import { setTimeout } from 'node:timers/promises';
import { personKey } from '#src/identity/people.ts';
import type { Failures } from './api/failures.ts';

/** Wrong passwords of one person from one address that cost nothing: a slip, an old token in a file. */
const FREE = 3;
const FIRST_MS = 250;
/** The client must still get its answer before the time for signing in is over. */
const LONGEST_MS = 4_000;
const FORGOTTEN_MS = 600_000;
const MOST = 10_000;
/** At once; beyond it nobody waits, so that guesses do not take the places of those who sign in. */
const MOST_WAITING = 50;

export type Guess = { readonly email: string; readonly address: string };

/**
 * What a wrong password on the wire costs: it counts for its address as every failed sign-in does, is recorded, and its
 * answer takes longer each time. Only who was wrong waits, and only as this person from this address.
 */
export function passwordGuesses({
  failures,
  failed,
  wait = (ms) => setTimeout(ms),
}: {
  readonly failures: Failures;
  readonly failed: (guess: {
    readonly person: string;
    readonly via: string;
    readonly why: string;
    readonly client: string;
  }) => void;
  readonly wait?: (ms: number) => Promise<unknown>;
}): (guess: Guess) => Promise<void> {
  const seen = new Map<string, { count: number; at: number }>();
  let waiting = 0;
  const countOf = (key: string): number => {
    const now = performance.now();
    const before = seen.get(key);
    const count = before && now - before.at < FORGOTTEN_MS ? before.count + 1 : 1;
    seen.delete(key);
    seen.set(key, { count, at: now });
    if (seen.size > MOST) seen.delete(seen.keys().next().value ?? '');
    return count;
  };
  return async ({ email, address }) => {
    const person = personKey(email);
    const flood = failures.wait(address) > 0;
    failures.add(address);
    if (!flood) failed({ person, via: 'postgres', why: 'wrong password', client: address });
    const count = countOf(`${address} ${person}`);
    if (count <= FREE || waiting >= MOST_WAITING) return;
    waiting += 1;
    await wait(Math.min(LONGEST_MS, FIRST_MS * 2 ** (count - FREE - 1))).finally(() => {
      waiting -= 1;
    });
  };
}
