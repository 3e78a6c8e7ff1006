import { NotWelcome, type People } from '../sign-in.ts';
import type { Refreshable, SignInStore } from '../sign-ins.ts';
import type { Oidc } from './oidc.ts';
import { ProviderAway } from './provider.ts';
import { refresh, type Refreshed } from './sign-in.ts';

export type RecheckParts = {
  readonly oidc: Pick<Oidc, 'providers' | 'store'>;
  readonly signIns: Pick<SignInStore, 'refreshable' | 'keepRefreshToken'>;
  readonly people: Pick<People, 'refreshed'>;
  readonly recheckMs: number;
  /** `provider` is a name of the configuration. */
  readonly onAway: (provider: string, error: Error) => void;
  readonly onError: (error: unknown) => void;
};

/** At most this many questions at a time. */
const ABREAST = 8;
/** Longer than a question may take; then another gateway may ask. */
const CLAIM_MS = 60_000;
/** People are asked about from this part of `recheck` on, so there is time for a second try. */
const FROM = 0.5;

/**
 * Asks the providers again about everybody who has a refresh token, before what they said is `recheck` old; spread out
 * over the time between, a few at a time. Returns how to stop, which waits for the questions that are on their way.
 */
export function startRecheck(parts: RecheckParts): { stop(): Promise<void> } {
  // 15 minutes: every 45 seconds. A test's second: every 50 ms.
  const everyMs = Math.max(50, Math.min(parts.recheckMs / 20, 45_000));
  let running: Promise<void> | undefined;
  let stopped = false;
  const look = (): void => {
    running ??= recheckOnce(parts, () => stopped)
      .catch(parts.onError)
      .finally(() => (running = undefined));
  };
  const timer = setInterval(look, everyMs);
  // After a pause many are due, who could not work until then; the embedded provider listens a moment later.
  const first = setTimeout(look, Math.min(500, everyMs));
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      clearTimeout(first);
      await running;
    },
  };
}

/** One round: everybody who is due. */
export async function recheckOnce(
  parts: RecheckParts,
  stopped: () => boolean = () => false,
): Promise<void> {
  const away = new Set<string>();
  // A provider that is away must not stand before the people of the others.
  for (let before = -1; away.size > before && !stopped();) {
    before = away.size;
    // oxlint-disable-next-line no-await-in-loop -- the next round is without those
    await askAll(parts, away, stopped);
  }
}

async function askAll(
  parts: RecheckParts,
  away: Set<string>,
  stopped: () => boolean,
): Promise<void> {
  const { recheckMs, signIns } = parts;
  const due = await signIns.refreshable(recheckMs * FROM, [...away]);
  const waiting = due.values();
  const ask = async (): Promise<void> => {
    for (const one of waiting) {
      if (stopped()) return;
      if (away.has(one.provider)) continue;
      // oxlint-disable-next-line no-await-in-loop -- one after the other: a provider is not to be flooded
      await askAbout(parts, one, away).catch(parts.onError);
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, ask));
}

async function askAbout(parts: RecheckParts, one: Refreshable, away: Set<string>): Promise<void> {
  const { oidc } = parts;
  // Nobody vouches for people of a provider that was taken out: what it said runs out.
  const provider = oidc.providers.get(one.provider);
  const olderThanMs = parts.recheckMs * FROM;
  if (!provider || !(await oidc.store.claim(one.person, olderThanMs, CLAIM_MS))) return;
  try {
    const subject = await oidc.store.subjectOf(one.provider, one.person);
    if (subject === undefined) return;
    const { person: email, refreshToken } = one;
    const now = await refresh(provider, { subject, email, refreshToken });
    await confirmed(parts, one, now);
  } catch (error) {
    if (error instanceof NotWelcome) await refused(parts, one);
    else if (error instanceof ProviderAway) {
      away.add(one.provider);
      parts.onAway(one.provider, error);
    } else throw error;
  } finally {
    await oidc.store.unclaim(one.person);
  }
}

async function confirmed(
  { signIns, people }: RecheckParts,
  { signIn, person }: Refreshable,
  { refreshToken, ...now }: Refreshed,
): Promise<void> {
  // First what would be lost: the old one may be void already.
  if (refreshToken !== undefined) await signIns.keepRefreshToken(signIn, refreshToken);
  await people.refreshed(person, now);
}

/**
 * The provider takes this token no more. That alone can be an old session of theirs: only when no other sign-in can
 * vouch for them are they gone. Meanwhile nothing was confirmed, so what it said runs out in time all the same.
 */
async function refused(
  { signIns, people, oidc }: RecheckParts,
  { signIn, person }: Refreshable,
): Promise<void> {
  const others = await oidc.store.hasOtherRefreshToken(person, signIn);
  if (!others) await people.refreshed(person, undefined);
  await signIns.keepRefreshToken(signIn, undefined);
}
