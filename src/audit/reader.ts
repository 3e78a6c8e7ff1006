import type { JsonObject } from './log.ts';
import type { RecordPlace } from './tree/record-proof.ts';

/** A record as people read it. `body` is undefined once it has been erased. */
export type RecordView = {
  readonly id: string;
  readonly writer: string;
  readonly seq: string;
  readonly at: string;
  readonly kind: string;
  readonly session?: string;
  readonly statement?: string;
  readonly request?: string;
  readonly person?: string;
  readonly agent?: string;
  readonly target?: string;
  readonly verdict?: string;
  readonly hash: string;
  /** How far it has come in the tree; only of a record that was asked for by itself. */
  readonly log?: RecordPlace;
  readonly body?: JsonObject;
};

/** The part of the records that a search looks at. */
export type RecordsPart = {
  /** ISO 8601: of this time or later, and before that one. */
  readonly from?: string;
  readonly to?: string;
  /** Id of a record: only those that come after it, newest first. */
  readonly before?: string;
};

export interface Records {
  get(id: string): Promise<RecordView | undefined>;
  /** Newest first. `q` is free text over bodies plus `person:`, `target:`, `kind:`, `verdict:`, `session:`, `request:`, `statement:`. */
  search(q: string, limit: number, part?: RecordsPart): Promise<readonly RecordView[]>;
}
