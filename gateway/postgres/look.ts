import type { Policy, TargetFacts } from '#src/policy/policy.ts';
import type { Resource } from '#src/statement/effect.ts';
import type { Analysis, IsRuled, Masked } from '#src/statement/sql/analysis.ts';
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

type Params = NonNullable<Sent['params']>;
/** What is the same whatever the parameters are. */
type Shown = {
  readonly effects: Look['effects'];
  readonly bound: string;
  readonly mask: (params?: Params) => Masked;
};

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
    const { effects, bound, mask } = this.#show(analysis);
    const { text, words, hidesWrite } = mask(sent.params);
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
      bound,
      analysis.definitions,
    ]);
    return {
      effects,
      words,
      masked: text,
      hidesWrite,
      digest,
      ...(analysis.refused && { refused: analysis.refused }),
    };
  }

  #show(analysis: Analysis): Shown {
    const { version } = this.#policy();
    if (version !== this.#version) {
      this.#shown = new WeakMap();
      this.#version = version;
    }
    let shown = this.#shown.get(analysis);
    if (!shown) {
      const effects = analysis.parts.map((part) => part.effect);
      const mask = analysis.masker(this.isRuled);
      shown = { effects, bound: JSON.stringify(effects), mask };
      this.#shown.set(analysis, shown);
    }
    return shown;
  }
}
