import type { Binding, Entry, JsonObject, Receipt } from '../audit/log.ts';
import type { Shared } from '../audit/shared.ts';
import type { Person } from '../identity/person.ts';
import type { Requirement } from '../policy/verdict.ts';
import type { NewAccess } from './access.ts';
import type { Grants } from './grants.ts';
import type { RequestFilter } from './list.ts';
import type { Card, Outcome, Reaction, Refusal, Request, RequestState, Rows } from './request.ts';
import type { StepUp } from './step-up.ts';

export type NewRequest = {
  readonly kind: 'statement';
  readonly session: string;
  readonly statement: string;
  readonly requirement: Requirement;
  readonly card: Omit<Card, 'digest' | 'before' | 'same'>;
  /** The text without its constants, with the place where it would run; it is stored as an HMAC only. */
  readonly alike?: string;
  /** Of the shape on the card; 32 bytes, stored as an HMAC only. */
  readonly shape?: Buffer;
  readonly rows?: Rows;
  /** Body of the held statement's record, beside what the request itself adds. */
  readonly body: JsonObject;
  /** What that body names by digest. */
  readonly shared?: readonly Shared[];
  readonly binds: Binding;
  readonly traceparent?: string;
};

export type Vote = {
  readonly decision: 'approve' | 'deny';
  readonly reason: string;
  readonly via: 'api' | 'console' | 'slack' | 'teams';
  /** The version the person looked at, when the door knows it; a different one is refused as `stale`. */
  readonly version?: number;
  /** The person may see the exact statement through this door; without it a write that the card hides is not approved. */
  readonly reviewed?: boolean;
  /** The fresh sign-in that a rule asks for; the API and chat have none. */
  readonly stepUp?: StepUp;
  /** They let the role last no longer than this. */
  readonly durationMs?: number;
  /** They also let the same statement run again, as the card says. */
  readonly shape?: boolean;
  /** It is a reaction on the card. */
  readonly reaction?: Reaction;
};

/** `none`: there is no live shape of this request. */
export type Revoked = 'revoked' | 'none' | 'not-yours';

/** Who asks to run a statement on a shape that was approved, and the digest of its own. */
export type ShapeAsked = {
  readonly person: string;
  readonly agent?: string;
  readonly target: string;
  readonly digest: Buffer;
};

export type Decided =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly refusal: Refusal; readonly request?: Request };

export type EndState = Extract<
  RequestState,
  'expired' | 'withdrawn' | 'abandoned' | 'changed' | 'refused'
>;

/** Requests and their only truth: rows of the store, moved by compare-and-set, each move with its record in one transaction. */
export interface Requests {
  /** Row, outbox row and the record of the held statement in one transaction; then a hint to the queue. */
  open(request: NewRequest): Promise<Request>;
  get(id: string): Promise<Request | undefined>;
  /** Newest first. */
  list(filter: RequestFilter): Promise<readonly Request[]>;
  /** One person's vote. Authority is judged on `person` as the directory knows them at this moment. */
  decide(id: string, person: Person, vote: Vote): Promise<Decided>;
  /**
   * approved → running, if it has not expired by the database's clock and this gateway's lease still holds.
   * The receipt binds `binds` as `approved`; rejects with `NotClaimed` otherwise.
   */
  claim(id: string, binds: Binding): Promise<Receipt>;
  /** Ends a request that has not run. False when it was no longer pending or approved. */
  end(id: string, state: EndState, why: string): Promise<boolean>;
  /** running → done, or unknown. Goes with the outcome's record; nobody waits for it. */
  finish(id: string, outcome: Outcome | 'unknown'): Promise<void>;
  /** Puts on the card what was found out about rows; false when it does not wait any more. */
  tellRows(id: string, rows: Rows): Promise<boolean>;
  /** The newest request that `suits` and whose approved shape this statement has; undefined: none lives. */
  findShape(asked: ShapeAsked, suits: (request: Request) => boolean): Promise<Request | undefined>;
  /** Records a statement that runs on the shape of this request; rejects with `NotClaimed` when it has ended meanwhile. */
  runOnShape(request: Request, entry: Entry): Promise<Receipt>;
  /** `also`: groups whose members may, beside those who could approve it and who asked. */
  revokeShape(id: string, email: string, also: readonly string[]): Promise<Revoked>;
  /**
   * Resolves with the request once it is not pending (or the signal aborts: rejects with the signal's reason). `seen`
   * hears of it each time that it was looked at meanwhile.
   */
  settled(id: string, signal: AbortSignal, seen?: (request: Request) => void): Promise<Request>;
}

/** Roles that people ask for, beside the statements that wait. */
export interface RoleRequests {
  /** A role for a time: granted at once where nobody has to agree, else it waits for them. */
  askAccess(asked: NewAccess): Promise<Request>;
  /** What breaks the glass behind a fresh sign-in of one's own. Undefined: granted. */
  breakGlass(request: Request, stepUp: StepUp): Promise<Refusal | undefined>;
  readonly grants: Grants;
}

export class NotClaimed extends Error {
  override name = 'NotClaimed';
  readonly state: RequestState | 'lease-lost';
  constructor(state: RequestState | 'lease-lost') {
    super(`the request cannot run: it is ${state}`);
    this.state = state;
  }
}
