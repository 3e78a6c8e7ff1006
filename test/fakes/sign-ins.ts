import { randomUUID } from 'node:crypto';
import type { SignIn, SignInStore } from '#src/identity/sign-ins.ts';

const IDLE_MS = 30 * 60_000;
const LONGEST_MS = 12 * 3_600_000;

const unused = (): never => {
  throw new Error('not used here');
};

type Entry = { readonly signIn: SignIn; readonly startedAt: number; seenAt: number };

/** Sign-ins in memory, with the limits of the default configuration. */
export function fakeSignIns(parts: {
  readonly isLive: (token: string) => boolean;
  readonly recorded: (kind: 'sign-in' | 'sign-out', person: string, body: object) => Promise<void>;
  readonly now?: () => number;
}): SignInStore {
  const { isLive, recorded, now = Date.now } = parts;
  const kept = new Map<string, Entry>();
  const live = ({ signIn, startedAt, seenAt }: Entry): boolean =>
    now() - seenAt <= IDLE_MS &&
    now() - startedAt <= LONGEST_MS &&
    (signIn.token === undefined || isLive(signIn.token));
  return {
    async start(cookie, given) {
      const { refreshToken: _refresh, idToken: _id, ...rest } = given;
      const at = new Date(now()).toISOString();
      const signIn = { ...rest, id: randomUUID(), startedAt: at, lastUsedAt: at, endsAt: at };
      const { person, token, scopes, client } = given;
      await recorded('sign-in', person, { via: 'console', token, scopes, client });
      kept.set(cookie.toString('hex'), { signIn, startedAt: now(), seenAt: now() });
      return signIn;
    },
    find(cookie, touch) {
      const entry = kept.get(cookie.toString('hex'));
      if (!entry || !live(entry)) return Promise.resolve(undefined);
      if (touch) entry.seenAt = now();
      return Promise.resolve(entry.signIn);
    },
    get: (id) =>
      Promise.resolve(
        [...kept.values()].find((entry) => entry.signIn.id === id && live(entry))?.signIn,
      ),
    list: (person) =>
      Promise.resolve(
        [...kept.values()]
          .filter((entry) => entry.signIn.person === person && live(entry))
          .map(({ signIn }) => signIn),
      ),
    async revoke(id, why) {
      for (const [key, { signIn }] of kept)
        if (signIn.id === id) {
          await recorded('sign-out', signIn.person, { signIn: id, why });
          return kept.delete(key);
        }
      return false;
    },
    idToken: unused,
    ofProvider: unused,
    refreshable: unused,
    stands: () => Promise.resolve(true),
    endOverdue: () => Promise.resolve(),
    keepRefreshToken: unused,
  };
}
