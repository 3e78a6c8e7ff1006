import type { Resource } from '../statement/effect.ts';
import type { Rule } from './rule.ts';
import type { Freshness, FreshTerms } from './verdict.ts';

/** A sign-in that the person has made anew for the session that asks, as their provider told of it. */
export type FreshSignIn = {
  readonly id: string;
  /** When they proved who they are, in milliseconds since the epoch; never after now. */
  readonly authTime: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
};

/** Until when the sign-in does for the rule, in milliseconds since the epoch; undefined when it does not now. */
function doesUntil(
  { ageMs, acr, amr = [] }: FreshTerms,
  signIn: FreshSignIn,
  now: number,
): number | undefined {
  const made =
    (acr === undefined || acr === signIn.acr) && amr.every((each) => signIn.amr?.includes(each));
  const until = signIn.authTime + ageMs;
  return made && now < until ? until : undefined;
}

/** Counts the permits that ask for a fresh sign-in, and what a verdict owed to one or lacked. */
export class Freshly {
  readonly #signIn: FreshSignIn | undefined;
  readonly #now: number;
  readonly #columns = new Set<string>();
  readonly #rules = new Set<Rule>();
  #until = Infinity;

  constructor(signIn: FreshSignIn | undefined, now: number) {
    this.#signIn = signIn;
    this.#now = now;
  }

  /** Those of `asking` that count now. None: the column is remembered as hidden for want of a fresh sign-in. */
  counting(asking: readonly Rule[], column: Resource): readonly Rule[] {
    const counting: Rule[] = [];
    let until = 0;
    for (const rule of asking) {
      const { fresh } = rule.terms;
      const does = fresh && this.#signIn && doesUntil(fresh, this.#signIn, this.#now);
      if (does === undefined) continue;
      counting.push(rule);
      until = Math.max(until, does);
    }
    if (counting.length > 0) this.#until = Math.min(this.#until, until);
    else {
      this.#columns.add(column.path.slice(1).join('.'));
      for (const rule of asking) this.#rules.add(rule);
    }
    return counting;
  }

  summary(): Freshness {
    const rules = [...this.#rules].flatMap(({ id, terms }) =>
      terms.fresh ? { id, ...terms.fresh } : [],
    );
    const counted = this.#until < Infinity && this.#signIn;
    return {
      ...(rules.length > 0 && { wanting: { columns: [...this.#columns], rules } }),
      ...(counted && { counted: { signIn: counted.id, until: this.#until } }),
    };
  }
}
