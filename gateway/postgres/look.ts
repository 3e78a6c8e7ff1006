import type { Policy, TargetFacts } from '#src/policy/policy.ts';
import type { Obligations } from '#src/policy/verdict.ts';
import type { Resource } from '#src/statement/effect.ts';
import type { Analysis, Given, IsRuled, Masked } from '#src/statement/sql/analysis.ts';
import type { Look } from '#src/statement/statement.ts';
import { bind } from '../gate/binding.ts';
import { planOf, type ResultPlan } from './plan.ts';

/** What, beside the statement itself, decides what it does; all of it is bound. */
export type Surroundings = {
  readonly session: string;
  readonly person: string;
  readonly target: TargetFacts;
  readonly database: string;
  readonly role: string;
};

/** Every setting that changes meaning, as the target reports them, and the texts behind EXECUTE and FETCH. */
export type Moment = { readonly settings: string; readonly named: string };

/** A statement as it came: the exact message, and the prepared text behind a Bind. */
export type Sent = {
  readonly bytes: Buffer;
  readonly prepared?: string;
  /** `$1`, `$2` … as text; undefined where a value cannot be shown. */
  readonly params?: readonly (string | null | undefined)[];
};

/** A look with what it was taken from. */
export type SqlLook = Look & {
  readonly analysis: Analysis;
  readonly sent: Sent;
  readonly moment: Moment;
};

type Params = NonNullable<Sent['params']>;
/** What is the same whatever the parameters are. */
type Shown = {
  readonly effects: Look['effects'];
  /** Digest of what it would do, and of the definitions that this was read from. */
  readonly meaning: Buffer;
  readonly mask: (params?: Params) => Masked;
  /** Of texts that share this analysis. */
  maskLike?: ((given: Given) => Masked) | undefined;
  /** Part by part: may the text of an error quote a value that some rule hides? */
  readonly withhold: readonly boolean[];
  /** Part by part, column by column: does some rule hide what it comes from? */
  readonly ruled: readonly (readonly boolean[])[];
  /** For the obligations that came last. */
  plans?: { readonly obligations: Obligations; readonly plans: readonly ResultPlan[] };
};

/** Looks of one session. What does not depend on parameters is worked out once for each analysis and version of rules. */
export class Looks {
  readonly #policy: () => Policy;
  readonly #around: Surroundings;
  #shown = new WeakMap<Analysis, Shown>();
  #version = '';
  #last: (Moment & { readonly digest: Buffer }) | undefined;

  constructor(policy: () => Policy, around: Surroundings) {
    this.#policy = policy;
    this.#around = around;
  }

  isRuled: IsRuled = (column: Resource) => this.#policy().isRuled(this.#around.target, column);

  at(analysis: Analysis, sent: Sent, moment: Moment): SqlLook {
    const shown = this.#show(analysis);
    const { effects, meaning } = shown;
    const { text, words, hidesWrite } = this.#masked(analysis, shown, sent.params);
    return {
      effects,
      words,
      masked: text,
      hidesWrite,
      digest: bind(['postgres', sent.bytes, sent.prepared, this.#bound(moment), meaning]),
      ...(analysis.refused && { refused: analysis.refused }),
      analysis,
      sent,
      moment,
    };
  }

  #masked({ like }: Analysis, shown: Shown, params: Sent['params']): Masked {
    if (!like) return shown.mask(params);
    shown.maskLike ??= like.base.alike?.masker(like.literals, this.isRuled);
    if (!shown.maskLike) throw new Error('this analysis stands for no other text');
    return shown.maskLike(like.given);
  }

  isOwn(look: Look): look is SqlLook {
    return 'analysis' in look && 'moment' in look;
  }

  /** What must be done to the results, part by part. */
  plans(analysis: Analysis, obligations: Obligations): readonly ResultPlan[] {
    const shown = this.#show(analysis);
    if (shown.plans?.obligations !== obligations) {
      const plans = analysis.parts.map((part, index) =>
        planOf(part, obligations, shown.withhold[index] !== false, shown.ruled[index]),
      );
      shown.plans = { obligations, plans };
    }
    return shown.plans.plans;
  }

  /** Digest of everything around the statement. */
  #bound({ settings, named }: Moment): Buffer {
    if (this.#last?.settings !== settings || this.#last.named !== named) {
      const { session, person, target, database, role } = this.#around;
      const digest = bind([session, person, target.name, database, role, settings, named]);
      this.#last = { settings, named, digest };
    }
    return this.#last.digest;
  }

  #show(given: Analysis): Shown {
    const analysis = given.like?.base ?? given;
    const { version } = this.#policy();
    if (version !== this.#version) {
      this.#shown = new WeakMap();
      this.#version = version;
    }
    let shown = this.#shown.get(analysis);
    if (!shown) {
      const effects = analysis.parts.map((part) => part.effect);
      shown = {
        effects,
        meaning: bind([JSON.stringify(effects), analysis.definitions]),
        mask: analysis.masker(this.isRuled),
        withhold: analysis.parts.map((part) => part.touchesRuled(this.isRuled)),
        ruled: effects.map(({ outputs = [] }) =>
          outputs.map(({ sources }) => sources.some((column) => this.isRuled(column))),
        ),
      };
      this.#shown.set(analysis, shown);
    }
    return shown;
  }
}
