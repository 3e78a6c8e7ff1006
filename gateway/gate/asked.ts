import type { Requests } from '#src/approval/port.ts';
import type { Rows } from '#src/approval/request.ts';
import type { AuditLog } from '#src/audit/log.ts';
import type { Subject } from '#src/identity/person.ts';
import type { FreshSignIn } from '#src/policy/fresh.ts';
import type { Context, Policy, TargetFacts } from '#src/policy/policy.ts';
import type { Obligations, Verdict } from '#src/policy/verdict.ts';
import type { Look, Protocol, Refused } from '#src/statement/statement.ts';
import type { Telemetry } from '#src/telemetry/telemetry.ts';
import type { Permit } from './permit.ts';

/** Whose failure it was, for the log. */
export type FailureIds = { readonly session?: string; readonly statement?: string };

export type GateDeps = {
  readonly audit: AuditLog;
  readonly requests: Requests;
  readonly policy: () => Policy;
  /** The person as the directory knows them now, with the roles of their live grants, and the agent that acts for them. */
  readonly subject: (email: string, agent?: string) => Promise<Subject | undefined>;
  /** The last sign-in that the person has made in the console for this very session, as of the last second. */
  readonly signIn: (session: SessionFacts) => Promise<FreshSignIn | undefined>;
  /** Keeps what waits, for reviewers. */
  readonly holds: {
    add(request: string, asked: Asked): void;
    remove(request: string): void;
    /** Aborted when what waits must be judged again. */
    changed(): AbortSignal;
  };
  readonly publicUrl: string;
  /** Hears the cause when a statement was refused because the store or the queue failed, and whose it was. */
  readonly onFailure: (error: unknown, ids?: FailureIds) => void;
  readonly telemetry: Telemetry;
};

/** Who asks, from where, for which target: fixed for the life of a session. */
export type SessionFacts = {
  readonly id: string;
  readonly protocol: Protocol;
  readonly person: string;
  /** Acts for the person in this session. */
  readonly agent?: string;
  readonly target: TargetFacts;
  readonly database: string;
  readonly client: string;
  readonly application: string;
  /** Longest hold inside an open transaction, in milliseconds. */
  readonly holdInTransactionMs: number;
};

/** What a later statement must be to be the same. `digest` is over everything that decides what it does. */
export type Shape = { readonly digest: Buffer; readonly words: string };

/** What approvers are to be told of rows, and the request that it is for. */
export type RowsAsked = {
  readonly count?: boolean;
  readonly sample?: number;
  readonly request?: string;
  /** What is known already. */
  readonly known?: Rows | undefined;
};

/** What only approvers need of a statement; worked out when it is held. Nothing of it rejects. */
export interface Particulars {
  /** Its text without constants, with the place where it would run; undefined where nothing was analysed. */
  alike(look: Look): string | undefined;
  /** Undefined when it cannot be told what the same statement would be. */
  shape(look: Look): Promise<Shape | undefined>;
  rows(look: Look, asks: RowsAsked): Promise<Rows>;
}

/** One statement (or one string of them), as a protocol's session asks for it. */
export type Asked = {
  readonly session: SessionFacts;
  /** Exactly what would run, for reviewers in the console; it stays in this process. */
  readonly exact: string;
  readonly look: Look;
  /** Looks again, past every cache: called after an approval, before the claim. */
  readonly lookAgain: () => Promise<Look>;
  readonly context: Omit<Context, 'now' | 'signIn'>;
  /** When the open transaction around it began, in milliseconds since the epoch. */
  readonly transactionSince?: number;
  /** Absent where a protocol has none. */
  readonly particulars?: Particulars;
  /** What the protocol cannot do under these obligations, e.g. mask inside COPY. */
  readonly unfit?: (obligations: Obligations) => Refused | undefined;
  /** Aborted with a Withdrawal when the client cancels or goes away, or the gateway stops. */
  readonly signal: AbortSignal;
  /** Tells the client at once that its statement waits. */
  readonly onHeld: (notice: HeldNotice) => void;
  /** Tells the client at once what an approver asks about its statement while that waits. */
  readonly onQuestion?: (notice: HeldNotice) => void;
  /** Tells the client that a fresh sign-in would show it more of a result that is about to come. */
  readonly onHidden?: (notice: HeldNotice) => void;
  /** Hears the id of the statement and its verdict, once that is recorded; of a hold, when it begins to wait. */
  readonly onJudged?: (statement: string, verdict: Verdict['kind']) => void;
};

export type HeldNotice = {
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
};

export type RefusalCode =
  | 'denied'
  | 'refused'
  | 'decided-no'
  | 'expired'
  | 'withdrawn'
  | 'abandoned'
  | 'changed'
  | 'unavailable';

/** What the person reads instead of a result; each protocol maps `code` to its own. */
export type GateRefusal = {
  readonly code: RefusalCode;
  readonly sqlstate?: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
};

export type Admitted =
  | { readonly kind: 'run'; readonly permit: Permit; readonly request?: string }
  | { readonly kind: 'refuse'; readonly refusal: GateRefusal };
