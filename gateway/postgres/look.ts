import type { Policy, TargetFacts } from '#src/policy/policy.ts';
import type { Resource } from '#src/statement/effect.ts';
import type { Analysis, IsRuled } from '#src/statement/sql/analysis.ts';
import type { Look } from '#src/statement/statement.ts';
import { bind } from '../gate/binding.ts';

/** What, beside the statement itself, decides what it does; all of it is bound. */
export type Surroundings = {
  readonly session: string;
  readonly person: string;
  readonly target: string;
  readonly database: string;
  readonly role: string;
  /** Every setting that changes meaning, as the target reports them. */
  readonly settings: string;
  /** Texts behind EXECUTE and FETCH. */
  readonly named: string;
};

/** A statement as it came: the exact message, and the prepared text behind a Bind. */
export type Sent = {
  readonly bytes: Buffer;
  readonly prepared?: string;
  /** `$1`, `$2` … as text; undefined where a value cannot be shown. */
  readonly params?: readonly (string | null | undefined)[];
};

type Shown = Omit<Look, 'digest' | 'refused'> & { readonly bound: string };

/** Looks of one session. What does not depend on parameters is worked out once for each analysis and version of rules. */
export class Looks {
  readonly #policy: () => Policy;
  readonly #target: TargetFacts;
  #shown = new WeakMap<Analysis, Shown>();
  #version = '';

  constructor(policy: () => Policy, target: TargetFacts) {
    this.#policy = policy;
    this.#target = target;
  }

  isRuled: IsRuled = (column: Resource) => this.#policy().isRuled(this.#target, column);

  at(analysis: Analysis, sent: Sent, around: Surroundings): Look {
    const shown = this.#show(analysis, sent.params);
    const digest = bind([
      'postgres',
      sent.bytes,
      sent.prepared,
      around.session,
      around.person,
      around.target,
      around.database,
      around.role,
      around.settings,
      around.named,
      shown.bound,
      analysis.definitions,
    ]);
    const { effects, words, masked, hidesWrite } = shown;
    return {
      effects,
      words,
      masked,
      hidesWrite,
      digest,
      ...(analysis.refused && { refused: analysis.refused }),
    };
  }

  #show(analysis: Analysis, params: Sent['params']): Shown {
    const { version } = this.#policy();
    if (version !== this.#version) {
      this.#shown = new WeakMap();
      this.#version = version;
    }
    const known = this.#shown.get(analysis);
    const still = known ?? this.#keep(analysis, this.#fresh(analysis, undefined));
    // Values are one call's own: they are never kept.
    return params?.length ? this.#fresh(analysis, params, still) : still;
  }

  #fresh(analysis: Analysis, params: Sent['params'], known?: Shown): Shown {
    const { text, hidesWrite, words } = analysis.masked(this.isRuled, params);
    const effects = known?.effects ?? analysis.parts.map((part) => part.effect);
    const bound = known?.bound ?? JSON.stringify(effects);
    return { effects, words, masked: text, hidesWrite, bound };
  }

  #keep(analysis: Analysis, shown: Shown): Shown {
    this.#shown.set(analysis, shown);
    return shown;
  }
}
