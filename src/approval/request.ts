import type { Requirement } from '../policy/verdict.ts';

/**
 * pending → approved → running → done | unknown; of a role, pending → granted; every other state is an end:
 * denied (a person), expired (the clock), withdrawn (the requester), abandoned (the gateway went away),
 * changed (the second look differed from the first), refused (rules changed under it).
 */
export type RequestState =
  | 'pending'
  | 'approved'
  | 'granted'
  | 'running'
  | 'done'
  | 'unknown'
  | 'denied'
  | 'expired'
  | 'withdrawn'
  | 'abandoned'
  | 'changed'
  | 'refused';

/** Everything approvers may see. No exact statement is ever in here: `masked` is what the channel may read. */
export type Card = {
  readonly person: {
    readonly email: string;
    readonly name: string;
    readonly groups: readonly string[];
  };
  readonly agent?: string;
  readonly target: string;
  readonly database: string;
  readonly masked: string;
  readonly hidesWrite: boolean;
  readonly words: readonly string[];
  readonly rules: readonly string[];
  readonly message: string;
  readonly reason?: string;
  /** First 16 hex digits of HMAC-SHA256(request secret, bound digest). */
  readonly digest: string;
  /** How long the transaction around it has been open when it was asked, in milliseconds; it holds locks. */
  readonly transactionOpenMs?: number;
  readonly client: string;
  readonly application: string;
  /** What its session ran before, oldest first; at most ten. */
  readonly before?: readonly Ran[];
  /** What became of the same text, constants aside, on this database before; absent when it is the first. */
  readonly same?: Same;
  /** What an approval of the shape lets run again, and for how long. */
  readonly shape?: { readonly words: string; readonly ms: number };
  /** The role that is asked for; then there is no statement. */
  readonly access?: AskedRole;
};

/** A role on the card's target, and what its grant would be. */
export type AskedRole = {
  readonly role: string;
  readonly durationMs: number;
  /** When it would begin: at its first use (within `waitsMs` of the approval), at the approval, or then (ISO 8601). */
  readonly start: string;
  readonly waitsMs: number;
  /** What becomes of what runs when it ends. */
  readonly ends: 'cancel' | 'finish';
  /** Groups whose members read afterwards what was done under break-glass. */
  readonly reviewers?: readonly string[];
};

/** A statement that its session ran before: its masked text (at most 300 characters), what was decided, what became of it. */
export type Ran = {
  readonly text: string;
  readonly verdict: string;
  readonly ok?: boolean;
  readonly rows?: number;
  readonly code?: string;
};

/** How often it was decided before, and the last of each. `at` is ISO 8601, `by` e-mail addresses. */
export type Same = {
  readonly approved: number;
  readonly denied: number;
  readonly lastApproved?: { readonly by: readonly string[]; readonly at: string };
  readonly lastDenied?: { readonly by: readonly string[]; readonly at: string };
};

/** What is known of the rows that a held statement would touch. */
export type Rows = {
  readonly state: 'estimating' | 'known' | 'unknown';
  /** Why it is not estimated, or not counted. */
  readonly why?: string;
  /** By the target's planner. */
  readonly estimated?: number;
  /** Exact when it was counted; a run that changes more is rolled back. */
  readonly counted?: number;
  /** Keys of some of them, masked as literals are. */
  readonly sample?: {
    readonly columns: readonly string[];
    readonly keys: readonly (readonly string[])[];
  };
};

/** An approval that lets the same statement run again. It counts from the first run on. */
export type ShapeApproval = {
  /** ISO 8601, by the database's clock. */
  readonly until: string;
  readonly approvers: readonly string[];
  readonly revokedAt?: string;
  readonly revokedBy?: string;
};

export type Decision = {
  readonly person: string;
  readonly group: string;
  readonly decision: 'approve' | 'deny';
  readonly reason: string;
  readonly via: 'api' | 'console' | 'slack' | 'teams';
  /** ISO 8601, by the database's clock. */
  readonly at: string;
  /** The longest that they let the role last. */
  readonly durationMs?: number;
  /** They approved the same again, too. */
  readonly shape?: true;
  /** It was a reaction: while the request waits it can be taken back. */
  readonly reaction?: Reaction;
  /** The stage that was asked; 1 when absent. */
  readonly stage?: number;
  /** Who is away, and whose authority this was. */
  readonly standsFor?: string;
};

/** A group that may decide in the place of another, since that one was asked for so long in vain. */
export type Escalated = {
  readonly of: string;
  readonly stage: number;
  readonly group: string;
  readonly afterMs: number;
  /** ISO 8601, by the database's clock. */
  readonly at: string;
  readonly channel?: string;
};

/** Somebody's reaction on a card. `user`: their account on the platform. */
export type Reaction = {
  readonly platform: 'slack' | 'teams';
  readonly channel: string;
  readonly message: string;
  readonly user: string;
};

type Via = Decision['via'];

/** What an approver asked whoever asks, and the answer. Times are ISO 8601; texts are masked, and hide nothing. */
export type Question = {
  readonly id: string;
  readonly text: string;
  readonly person: string;
  readonly via: Via;
  readonly at: string;
  readonly answer?: { readonly text: string; readonly via: Via; readonly at: string };
};

/** Another group that was told of it; `agrees`: it has to agree, too. */
export type HandOver = {
  readonly group: string;
  readonly person: string;
  readonly via: Via;
  readonly at: string;
  readonly agrees: boolean;
};

/** The groups that were missing when somebody reminded them. */
export type Reminder = {
  readonly id: string;
  readonly person: string;
  readonly groups: readonly string[];
  readonly at: string;
};

export type Outcome = {
  readonly ok: boolean;
  readonly rows?: number;
  readonly durationMs?: number;
  /** The target's error code, never its text. */
  readonly code?: string;
};

export type Request = {
  readonly id: string;
  readonly version: number;
  readonly state: RequestState;
  readonly kind: 'statement' | 'access' | 'break-glass';
  readonly gateway: string;
  /** Absent where a role is asked for. */
  readonly session?: string;
  readonly statement?: string;
  readonly requirement: Requirement;
  readonly card: Card;
  readonly decisions: readonly Decision[];
  /** The stage that is asked; 1 when absent. */
  readonly stage?: number;
  readonly escalated?: readonly Escalated[];
  /** Absent where nothing was ever asked about rows. */
  readonly rows?: Rows;
  readonly shape?: ShapeApproval;
  /** Oldest first, as are hand-overs; of reminders the last. */
  readonly questions?: readonly Question[];
  readonly handedOver?: readonly HandOver[];
  readonly reminded?: Reminder;
  /** The first of those versions up to this one between which nothing changed that a vote depends on. */
  readonly quietFrom?: number;
  readonly grant?: Grant;
  readonly outcome?: Outcome;
  /** Record of the held statement, for the link. */
  readonly record: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly endedAt?: string;
  /** W3C Trace Context of the hold, where traces are on. */
  readonly traceparent?: string;
};

/** Just-in-time access of a person to a target with a role. Times are ISO 8601, by the database's clock. */
export type Grant = {
  readonly id: string;
  readonly kind: 'access' | 'break-glass';
  /** E-mail address, in lower case. */
  readonly person: string;
  readonly target: string;
  readonly role: string;
  readonly request?: string;
  /** `waiting` for its first use until `useBy`, `scheduled` for `startsAt`, `live` until `endsAt`, or `ended`. */
  readonly state: 'waiting' | 'scheduled' | 'live' | 'ended';
  readonly durationMs: number;
  readonly createdAt: string;
  readonly useBy?: string;
  readonly startsAt?: string;
  readonly endsAt?: string;
  readonly endedAt?: string;
  readonly endedWhy?: string;
  /** Who ended it before its time. */
  readonly revokedBy?: string;
  readonly ends: 'cancel' | 'finish';
  readonly reviewers: readonly string[];
  readonly reviewedAt?: string;
  readonly reviewedBy?: string;
  readonly review?: string;
};

/** Why a decision was not taken; the text is for the person who clicked. */
export type Refusal = {
  readonly code:
    | 'not-found'
    | 'already-decided'
    | 'own-request'
    | 'not-an-approver'
    | 'not-your-turn'
    | 'already-voted'
    | 'reason-required'
    | 'step-up-required'
    | 'expired'
    | 'stale'
    | 'must-review'
    | 'no-shape'
    | 'no-duration'
    | 'no-reactions';
  readonly message: string;
};
