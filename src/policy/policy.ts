import type { Subject } from '../identity/person.ts';
import type { Effect, GrantAction, Resource } from '../statement/effect.ts';
import type { FreshSignIn } from './fresh.ts';
import type { Access, Verdict } from './verdict.ts';

/** Facts of the moment that rules may ask about, beside the effect itself. */
export type Context = {
  readonly reason?: string;
  readonly purpose?: string;
  readonly inTransaction: boolean;
  /** The last one that the person made for this session; never one of an agent. */
  readonly signIn?: FreshSignIn;
  /** Milliseconds since the epoch; hour and weekday are taken in the target's time zone. */
  readonly now: number;
};

/** The target as rules see it. */
export type TargetFacts = {
  readonly name: string;
  readonly environment: string;
  readonly timeZone: string;
};

/** What somebody asks of a role. */
export type AccessAsked = {
  /** Its name without the target. */
  readonly role: string;
  readonly minutes?: number;
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** A version of the rules, ready to be asked. Pure: the same question always gets the same verdict. */
export interface Policy {
  /** SHA-256 of the rules' text, hex; part of every verdict's cache key and of every record. */
  readonly version: string;
  /** May this subject open a session on this target? */
  connect(subject: Subject, target: TargetFacts, context: Context): Verdict;
  /** The strictest verdict over every access and column use of the statements of one unit. */
  judge(
    subject: Subject,
    target: TargetFacts,
    effects: readonly Effect[],
    context: Context,
  ): Verdict;
  /** What the rules say to somebody who asks for this role, or takes it; the role itself never counts for that. */
  access(subject: Subject, target: TargetFacts, action: GrantAction, asked: AccessAsked): Access;
  /** The roles on this target that rules name, sorted. */
  roles(target: string): readonly string[];
  /** True when the verdict on these may depend on an estimate of their rows. */
  asksRows(target: TargetFacts, effects: readonly Effect[]): boolean;
  /** True when no rule could deny, hold, mask or limit anything that this subject does on this target. */
  unrestricted(subject: Subject, target: TargetFacts): boolean;
  /** True when some rule hides some column of this target from somebody. */
  hides(target: TargetFacts): boolean;
  /** True when some rule hides this column from somebody: its literals are masked outside the gateway. */
  isRuled(target: TargetFacts, column: Resource): boolean;
}
