/**
 * From strictest to mildest; a derived value (not verbatim) is always `null`. Equal values of one hash class have equal
 * tokens. `detect` shows the value but for what detectors find in it, of all kinds or of those that are named.
 */
export type Mask =
  | { readonly kind: 'null' }
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'hash'; readonly class?: string }
  | { readonly kind: 'last'; readonly keep: number }
  | { readonly kind: 'email' }
  | { readonly kind: 'detect'; readonly kinds?: readonly string[] };

/** A group that has to agree, and who may in its place. */
export type AskedGroup = {
  /** `oncall:<name>` for whoever is on call by that rota. */
  readonly group: string;
  readonly quorum: number;
  /** It is asked once all lower stages are satisfied; 1 when absent. */
  readonly stage?: number;
  /** Outside of them (`parseHours`, in that time zone) `outside` decides in its place. */
  readonly hours?: { readonly text: string; readonly timeZone: string; readonly outside: string };
  /** Who may decide as well, when it has been asked for so long. */
  readonly escalate?: readonly Escalation[];
  /** What it owns, where a rule asks the owner: `shop.public.orders`. */
  readonly owns?: readonly string[];
  /** Where the card goes when its turn comes; only of what is not asked first. */
  readonly channels?: readonly string[];
};

/** `channel`: where the card goes then; default: each of the group is told. */
export type Escalation = {
  readonly afterMs: number;
  readonly group: string;
  readonly channel?: string;
};

/** What lifts a hold. Several rules combine to the stricter (design, "How rules decide"). */
export type Requirement = {
  /** Every group must be satisfied by that many persons; one person counts for one group. In the order of their turns. */
  readonly groups: readonly AskedGroup[];
  readonly expiresMs: number;
  readonly reasonRequired: boolean;
  /** Age in milliseconds that the approver's sign-in may have; undefined when no rule asks. */
  readonly stepUpMs?: number;
  /** What `acr` of that sign-in must be, and what its `amr` must hold; of several rules, all of it. */
  readonly acr?: readonly string[];
  readonly amr?: readonly string[];
  /** Channel names of the configuration; empty means the target's default. */
  readonly channels: readonly string[];
  /** Relaxations: present only when every holding rule has them. */
  readonly resendMs?: number;
  /** A reaction on the card counts as a vote; never where a reason or a fresh sign-in is asked for. */
  readonly reactionsVote: boolean;
  /** Groups that an approver may ask to agree, too. */
  readonly handOver?: readonly string[];
  /** How long an approver may let the same statement run again. */
  readonly shapeMs?: number;
  /** Approvers are to see the exact number of rows; the run is limited to it. */
  readonly count?: true;
  /** Approvers are to see the keys of so many of the rows. */
  readonly sample?: number;
};

/** What a permit for `reveal` with `@stepup` asks of the person’s sign-in for the session. */
export type FreshTerms = {
  readonly ageMs: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
};

/** What permits that ask for a fresh sign-in had to do with a verdict. */
export type Freshness = {
  /** Columns (`schema.table.column`) that are hidden for want of one, and the rules that would show them. */
  readonly wanting?: {
    readonly columns: readonly string[];
    readonly rules: readonly ({ readonly id: string } & FreshTerms)[];
  };
  /** The sign-in that counted, and until when it does: after that the verdict is no more. */
  readonly counted?: { readonly signIn: string; readonly until: number };
};

/** How much of a result is recorded as it came; what is absent falls to the configuration. Zero: none of it. */
export type RecordingTerms = { readonly rows?: number; readonly bytes?: number };

/** Obligations of a statement that may run. `masks` is keyed by the entity id of a column. */
export type Obligations = {
  readonly masks: ReadonlyMap<string, Mask>;
  /** The most rows that it may return. */
  readonly rows?: number;
  /** The most rows that it may change; more are rolled back. */
  readonly changes?: number;
  /** The rules that set these limits. */
  readonly limitedBy?: readonly string[];
  readonly recording?: RecordingTerms;
  readonly fresh?: Freshness;
};

export type Allow = { readonly kind: 'allow'; readonly rules: readonly string[] } & Obligations;
export type Hold = {
  readonly kind: 'hold';
  readonly rules: readonly string[];
  readonly message: string;
  readonly requirement: Requirement;
} & Obligations;
export type Deny = {
  readonly kind: 'deny';
  readonly rules: readonly string[];
  readonly message: string;
  readonly hint?: string;
  readonly fresh?: Freshness;
};
export type Verdict = Allow | Hold | Deny;

/** Under which terms a role may be had, all rules that apply together: the strictest of each. */
export type AccessTerms = {
  /** The longest that it lasts; an hour where no rule says. */
  readonly longestMs: number;
  /** It begins when it is first used, within `waitsMs` of its approval, or at the approval itself. */
  readonly start: 'use' | 'approval';
  readonly waitsMs: number;
  /** What becomes of a statement that runs when it ends. */
  readonly ends: 'cancel' | 'finish';
  readonly reasonRequired: boolean;
  /** RE2 patterns, each of which some word of the reason must match. */
  readonly tickets: readonly string[];
  /** Who reads, afterwards, what was done under break-glass: members of each. */
  readonly reviewers: readonly string[];
  readonly channels: readonly string[];
  /** The fresh sign-in that break-glass asks of whoever takes it. */
  readonly fresh?: FreshTerms;
};

/** What rules say to somebody who asks for a role. */
export type Access =
  | {
      readonly kind: 'deny';
      readonly rules: readonly string[];
      readonly message: string;
    }
  | {
      readonly kind: 'allow';
      readonly rules: readonly string[];
      readonly terms: AccessTerms;
    }
  | {
      readonly kind: 'hold';
      readonly rules: readonly string[];
      readonly message: string;
      readonly requirement: Requirement;
      readonly terms: AccessTerms;
    };
