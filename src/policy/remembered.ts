import type { Effect } from '../statement/effect.ts';
import type { Answers } from './answers.ts';
import type { FreshSignIn } from './fresh.ts';
import type { Verdict } from './verdict.ts';

/** What a verdict was given for, beside the effects. */
export type Asker = {
  readonly scope: readonly Answers[];
  readonly signIn: FreshSignIn | undefined;
};

type Given = Asker & {
  /** In milliseconds since the epoch. */
  readonly until: number;
  readonly verdict: Verdict;
};

/** The last verdict for the effects of an analysis. One that a fresh sign-in counted for does not outlast it. */
export class Remembered {
  readonly #without = new WeakMap<readonly Effect[], Given>();
  readonly #behind = new WeakMap<readonly Effect[], Given>();

  get(effects: readonly Effect[], { scope, signIn }: Asker, now: number): Verdict | undefined {
    const given = (signIn ? this.#behind : this.#without).get(effects);
    const same = given?.scope === scope && given.signIn === signIn && now < given.until;
    return same ? given.verdict : undefined;
  }

  set(effects: readonly Effect[], { scope, signIn }: Asker, verdict: Verdict): void {
    const until = verdict.fresh?.counted?.until ?? Infinity;
    const kept = signIn ? this.#behind : this.#without;
    kept.set(effects, { scope, signIn, until, verdict });
  }
}
