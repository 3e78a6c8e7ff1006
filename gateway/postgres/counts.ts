import { type Expected, overChanges, overLimit } from './expected.ts';
import type { ResultPlan } from './plan.ts';

/** Rows that come back and rows that are changed, counted against the limits of rules. */
export class Counts {
  /** Of each cursor, over its life. */
  readonly #fetched = new Map<string, number>();
  #head: Expected | undefined;
  #plan: ResultPlan | undefined;
  #rows = 0;

  /** The next result begins: a portal and a cursor go on where they were. */
  begin(head: Expected | undefined, plan: ResultPlan | undefined): void {
    this.#head = head;
    this.#plan = plan;
    const before = head?.kind === 'execute' ? head.run?.passed : undefined;
    const cursor = plan?.part.fetches;
    this.#rows = (cursor === undefined ? before : this.#fetched.get(cursor)) ?? 0;
  }

  /** Some row of the result, or of a portal before, was one too many. */
  get over(): boolean {
    const limit = this.#plan?.rowLimit;
    return limit !== undefined && this.#rows > limit;
  }

  /** One more row: `first` is the first that may not go out, `over` every other behind it. */
  row(): 'within' | 'first' | 'over' {
    this.#rows += 1;
    const plan = this.#plan;
    if (this.#head?.run) this.#head.run.passed = this.#rows;
    if (plan?.rowLimit === undefined) return 'within';
    if (plan.part.fetches !== undefined) this.#fetched.set(plan.part.fetches, this.#rows);
    if (this.#rows <= plan.rowLimit) return 'within';
    return this.#rows === plan.rowLimit + 1 ? 'first' : 'over';
  }

  /** Its tag has come, with this number in it. The error to say in its place when it went beyond a limit. */
  completed(rows: number | undefined): Buffer | undefined {
    const plan = this.#plan;
    const run = this.#head?.run;
    // A name can be declared again only after its cursor was closed.
    if (plan?.part.declares) this.#fetched.delete(plan.part.declares.cursor);
    if (plan && this.over) return overLimit(plan);
    if (plan?.changeLimit === undefined || !run) return undefined;
    run.changed += rows ?? Infinity;
    return run.changed > plan.changeLimit ? overChanges(plan, run.changed) : undefined;
  }
}
