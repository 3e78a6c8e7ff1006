import type { Action, Resource } from '../statement/effect.ts';
import type { Answer } from './answers.ts';
import { namesOf } from './entities.ts';
import { combineHolds, stricterMask } from './combine.ts';
import { Ownership, type Grounds } from './ownership.ts';
import { Freshly, type FreshSignIn } from './fresh.ts';
import type { Rule } from './rule.ts';
import { lessRecording } from './recording.ts';
import type { Deny, Mask, Obligations, RecordingTerms, Verdict } from './verdict.ts';

/** The product's own rules, beside those of the policy. */
export const ownRules = {
  session: 'countersign/session',
  noPermit: 'countersign/no-permit',
  ruleError: 'countersign/rule-error',
  opaque: 'countersign/opaque',
  escape: 'countersign/escape',
  maskedAssign: 'countersign/masked-assign',
  maskedFlow: 'countersign/masked-flow',
} as const;

type Denial = {
  readonly rules: readonly string[];
  readonly message: string;
  readonly hint: string | undefined;
};

/** A row limit, and the rules that set it. */
type Limit = { readonly most: number; readonly rules: readonly string[] };

function lower(before: Limit | undefined, most: number, rule: string): Limit {
  if (!before || most < before.most) return { most, rules: [rule] };
  if (most > before.most || before.rules.includes(rule)) return before;
  return { most, rules: [...before.rules, rule] };
}

const changing: ReadonlySet<Action> = new Set(['write', 'delete', 'assign']);

const joined = (sentences: readonly string[]): string => [...new Set(sentences)].join('; ');

/** Adds up answers into the strictest verdict. */
export class Tally {
  readonly #denials: Denial[] = [];
  readonly #holds: Rule[] = [];
  readonly #rules = new Set<string>();
  readonly #masks = new Map<string, Mask>();
  #rows: Limit | undefined;
  #changes: Limit | undefined;
  #recording: RecordingTerms | undefined;
  readonly #signIn: FreshSignIn | undefined;
  readonly #now: number;
  #freshly: Freshly | undefined;
  readonly #owned: Ownership;

  constructor(grounds: Grounds, signIn?: FreshSignIn, now = 0) {
    this.#owned = new Ownership(grounds);
    this.#signIn = signIn;
    this.#now = now;
  }

  /** True when the sign-in for this session is fresh enough for one of these permits for `reveal`. */
  shows(asking: readonly Rule[], column: Resource): boolean {
    this.#freshly ??= new Freshly(this.#signIn, this.#now);
    const counting = this.#freshly.counting(asking, column);
    this.permit(counting, 'reveal');
    return counting.length > 0;
  }

  /** `action` says what a limit of these rules counts: rows that are changed, or rows that are returned. */
  permit(rules: readonly Rule[], action: Action): void {
    for (const { id, terms } of rules) {
      this.#rules.add(id);
      if (terms.recording) this.#recording = lessRecording(this.#recording, terms.recording);
      if (terms.rows === undefined) continue;
      if (changing.has(action)) this.#changes = lower(this.#changes, terms.rows, id);
      else this.#rows = lower(this.#rows, terms.rows, id);
    }
  }

  hold(rules: readonly Rule[], action: Action, resource: Resource): void {
    this.#holds.push(...rules);
    for (const rule of rules) this.#owned.touched(rule, resource);
    this.permit(rules, action);
  }

  deny(rules: readonly string[], message: string, hint?: string): void {
    this.#denials.push({ rules, message, hint });
  }

  forbid(rules: readonly Rule[], words: string): void {
    for (const { id, terms } of rules)
      this.deny([id], terms.message ?? `rule ${id} forbids ${words}`);
  }

  fail(answer: Extract<Answer, { kind: 'error' }>): void {
    const which = answer.rules.length > 0 ? `rule ${answer.rules.join(', ')}` : 'the rules';
    const message = `${which} could not be evaluated, and a failed rule never lets anything pass`;
    this.deny(
      [ownRules.ruleError, ...answer.rules],
      message,
      'ask whoever keeps the rules to repair it',
    );
  }

  mask(column: Resource, mask: Mask, rules: readonly string[]): void {
    const { id } = namesOf(column);
    const other = this.#masks.get(id);
    this.#masks.set(id, other ? stricterMask(other, mask) : mask);
    for (const rule of rules) this.#rules.add(rule);
  }

  /** `reason` is what the person gave; a hold that needs one is refused without. */
  verdict(reason: string | undefined): Verdict {
    if (this.#denials.length > 0) return this.#denial();
    const obligations = {
      masks: this.#masks,
      ...this.#limits(),
      ...this.#recorded(),
      ...this.#fresh(),
    };
    if (this.#holds.length === 0) {
      const rules = this.#rules.size > 0 ? [...this.#rules] : [ownRules.session];
      return { kind: 'allow', rules, ...obligations };
    }
    const holds = [...new Set(this.#holds)];
    const nobodys = this.#owned.nobodys();
    if (nobodys) return nobodys;
    const requirement = combineHolds(holds, this.#owned);
    if (requirement.reasonRequired && !reason?.trim()) return noReason(holds);
    const rules = holds.map((rule) => rule.id);
    return { kind: 'hold', rules, message: holdMessage(holds), requirement, ...obligations };
  }

  #limits(): Pick<Obligations, 'rows' | 'changes' | 'limitedBy'> {
    const rows = this.#rows;
    const changes = this.#changes;
    if (!rows && !changes) return {};
    return {
      ...(rows && { rows: rows.most }),
      ...(changes && { changes: changes.most }),
      limitedBy: [...new Set([...(rows?.rules ?? []), ...(changes?.rules ?? [])])],
    };
  }

  #recorded(): Pick<Obligations, 'recording'> {
    return this.#recording ? { recording: this.#recording } : {};
  }

  #fresh(): Pick<Obligations, 'fresh'> {
    return this.#freshly ? { fresh: this.#freshly.summary() } : {};
  }

  #denial(): Deny {
    const hint = joined(this.#denials.flatMap((one) => one.hint ?? []));
    return {
      kind: 'deny',
      rules: [...new Set(this.#denials.flatMap((one) => one.rules))],
      message: joined(this.#denials.map((one) => one.message)),
      ...(hint !== '' && { hint }),
      ...this.#fresh(),
    };
  }
}

function holdMessage(holds: readonly Rule[]): string {
  const said = holds.map(
    ({ id, terms }) =>
      terms.message ?? `rule ${id} asks for ${terms.hold?.group ?? 'a second person'}`,
  );
  return joined(said);
}

function noReason(holds: readonly Rule[]): Deny {
  const asking = holds.filter((rule) => rule.terms.hold?.reasonRequired);
  return {
    kind: 'deny',
    rules: asking.map((rule) => rule.id),
    message: `${holdMessage(asking)}: no reason was given`,
    hint: "SET countersign.reason = '…' and send it again",
  };
}
