import type { ClientBase } from 'pg';
import type { Shared } from './shared.ts';

/** Anything a JSON text can hold; record bodies are masked before they come here. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export type RecordKind =
  | 'session-start'
  | 'session-end'
  | 'statement'
  | 'request'
  | 'decision'
  | 'claim'
  | 'outcome'
  | 'sign-in'
  | 'sign-out'
  | 'person'
  | 'group'
  | 'token'
  | 'policy'
  | 'look'
  | 'grant'
  | 'recording'
  | 'erasure'
  | 'legal-hold'
  | 'recovery'
  | 'writer'
  | 'heartbeat';

export type RecordVerdict = 'allow' | 'hold' | 'deny' | 'approved';

/** What a receipt stands for: the bound digest of a statement (in memory only) and what was decided about it. */
export type Binding = { readonly digest: Buffer; readonly verdict: RecordVerdict };

export type Entry = {
  readonly kind: RecordKind;
  readonly session?: string;
  readonly statement?: string;
  readonly request?: string;
  readonly person?: string;
  readonly agent?: string;
  readonly target?: string;
  readonly verdict?: RecordVerdict;
  readonly body: JsonObject;
  /** What the body names by digest; stored with the record, once. */
  readonly shared?: readonly Shared[];
  /** The log writes `HMAC-SHA256(record salt, digest)` into the body as `digest`; the digest itself never leaves memory. */
  readonly binds?: Binding;
};

declare const durable: unique symbol;
/** Proof that a record is durable. Only an AuditLog makes one. */
export type Receipt = {
  /** Record id (UUID), as in `/api/v1/records/{id}`. */
  readonly record: string;
  readonly writer: string;
  readonly seq: bigint;
  readonly binds?: Binding;
  readonly [durable]: true;
};

/** Writes that live or die with the record: they run in the record's own transaction. A throw rolls all of it back. */
export type Within = (sql: Pick<ClientBase, 'query'>, record: string) => Promise<void>;

/** Thrown when it is not known to be durable; whoever asked must act as if nothing was written. */
export class NotRecorded extends Error {
  override name = 'NotRecorded';
}

export interface AuditLog {
  /**
   * Resolves once the record (and what `within` wrote) is durable; rejects otherwise: with `NotRecorded` when the store
   * failed, with `within`'s own error when that threw. Group commit: concurrent calls share a transaction, except those
   * with `within`, which have one each.
   */
  append(entry: Entry, within?: Within): Promise<Receipt>;
  /** Like append, but nobody waits for it: outcomes. A failed one is retried until close, then recovery writes `unknown`. */
  later(entry: Entry): void;
}
