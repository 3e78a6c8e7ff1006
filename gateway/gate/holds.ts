import type { Subject } from '#src/identity/person.ts';
import type { Policy } from '#src/policy/policy.ts';
import { resourceId } from '#src/statement/effect.ts';
import type { Asked } from './asked.ts';

/** Why a hold ended from the client's side or ours; the reason of the abort signal. */
export class Withdrawal extends Error {
  override name = 'Withdrawal';
  readonly state: 'withdrawn' | 'abandoned';
  constructor(state: 'withdrawn' | 'abandoned', why: string) {
    super(why);
    this.state = state;
  }
}

/** What may be taken back. Most statements do not wait, so the signal is made only when somebody asks for it. */
export class Withdrawable {
  why: Withdrawal | undefined;
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.why) this.#controller.abort(this.why);
    return this.#controller.signal;
  }

  /** False when it has been already. */
  withdraw(why: Withdrawal): boolean {
    if (this.why) return false;
    this.why = why;
    this.#controller?.abort(why);
    return true;
  }
}

/** The exact statements that wait in this process, for approvers who may see them whole. */
export class Holds {
  #waiting = new Map<string, Asked>();
  #changed = new AbortController();

  add(request: string, asked: Asked): void {
    this.#waiting.set(request, asked);
  }
  remove(request: string): void {
    this.#waiting.delete(request);
  }
  /** Aborted when the rules or the people change; taken anew after each change. */
  changed(): AbortSignal {
    return this.#changed.signal;
  }
  /** Everything that waits is judged again. */
  rulesChanged(): void {
    const before = this.#changed;
    this.#changed = new AbortController();
    before.abort();
  }
  get size(): number {
    return this.#waiting.size;
  }
  /** Whole only for a person to whom every ruled column of the statement's tables may be revealed. */
  review(request: string, revealed: (asked: Asked) => boolean): Review {
    const asked = this.#waiting.get(request);
    if (!asked) return { kind: 'elsewhere' };
    return revealed(asked) ? { kind: 'whole', text: asked.exact } : { kind: 'masked' };
  }
}
export type Review =
  | { readonly kind: 'whole'; readonly text: string }
  | { readonly kind: 'masked' }
  | { readonly kind: 'elsewhere' };

/** May this person see every ruled column that the statement reads, filters by or assigns? */
export function mayReveal(policy: Policy, subject: Subject, asked: Asked): boolean {
  const columns = asked.look.effects.flatMap((effect) => [
    ...effect.columns.map((use) => use.column),
    ...(effect.outputs ?? []).flatMap((output) => output.sources),
  ]);
  const ruled = columns.filter((column) => policy.isRuled(asked.session.target, column));
  if (ruled.length === 0) return true;
  const effect = {
    class: 'select',
    accesses: [],
    columns: ruled.map((column) => ({ action: 'reveal' as const, column })),
    bounded: true,
    words: '',
  };
  const verdict = policy.judge(subject, asked.session.target, [effect], {
    inTransaction: false,
    now: Date.now(),
  });
  return (
    verdict.kind === 'allow' && ruled.every((column) => !verdict.masks.has(resourceId(column)))
  );
}
