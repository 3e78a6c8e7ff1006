import type { Requirement } from '../policy/verdict.ts';

/**
 * pending → approved → running → done | unknown; every other state is an end:
 * denied (a person), expired (the clock), withdrawn (the requester), abandoned (the gateway went away),
 * changed (the second look differed from the first), refused (rules changed under it).
 */
export type RequestState =
  | 'pending'
  | 'approved'
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
  /** The version of the request that came with it. */
  readonly version?: number;
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
  /** They approved the same again, too. */
  readonly shape?: true;
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
  readonly kind: 'statement' | 'access';
  readonly gateway: string;
  readonly session: string;
  readonly statement: string;
  readonly requirement: Requirement;
  readonly card: Card;
  readonly decisions: readonly Decision[];
  /** Absent where nothing was ever asked about rows. */
  readonly rows?: Rows;
  readonly shape?: ShapeApproval;
  readonly outcome?: Outcome;
  /** Record of the held statement, for the link. */
  readonly record: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly endedAt?: string;
  /** W3C Trace Context of the hold, where traces are on. */
  readonly traceparent?: string;
};

/** Why a decision was not taken; the text is for the person who clicked. */
export type Refusal = {
  readonly code:
    | 'not-found'
    | 'already-decided'
    | 'own-request'
    | 'not-an-approver'
    | 'already-voted'
    | 'reason-required'
    | 'step-up-required'
    | 'expired'
    | 'stale'
    | 'must-review'
    | 'no-shape';
  readonly message: string;
};
