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
};

export type Decision = {
  readonly person: string;
  readonly group: string;
  readonly decision: 'approve' | 'deny';
  readonly reason: string;
  readonly via: 'api' | 'console' | 'slack' | 'teams';
  /** ISO 8601, by the database's clock. */
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
  readonly kind: 'statement' | 'access';
  readonly gateway: string;
  readonly session: string;
  readonly statement: string;
  readonly requirement: Requirement;
  readonly card: Card;
  readonly decisions: readonly Decision[];
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
    | 'must-review';
  readonly message: string;
};
