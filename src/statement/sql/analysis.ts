import type { OwnType } from '../../mask/column.ts';
import type { Effect, Resource } from '../effect.ts';
import type { CopyFormat } from './copy-format.ts';
import type { Literal } from './fingerprint.ts';
import type { Refused } from '../statement.ts';
import type { Closely } from './closely.ts';

/** What decides how names in a statement are read. */
export type SqlSettings = {
  /** As `SHOW search_path` prints it on the user's own session. */
  readonly searchPath: string;
  /** The target role, which stands for `"$user"` in the path. */
  readonly user: string;
};

/** A prepared statement: its text alone, or with the parameter types (OIDs) that it was given over the wire. */
export type PreparedText =
  | string
  | {
      readonly text: string;
      readonly types: readonly number[];
      /** Made by PREPARE, whose whole text `text` is. */
      readonly sql?: boolean;
      readonly meant?: Meant;
    };

/**
 * The objects that a text names under one search path. A server reads the names of a prepared statement once for each
 * path, and does not notice an object that is made later and would be found before: what it runs is still the old one.
 */
export type Meaning = { readonly path: string; readonly objects: string };
/** What a prepared statement was found to mean: objects by search path, in the form of `Meaning`. */
export type Meant = Map<string, string>;

/** What EXECUTE and FETCH speak of: prepared statements and cursors (or portals) of the session, from SQL and from the wire. */
export type NamedThings = {
  readonly prepared: ReadonlyMap<string, PreparedText>;
  readonly cursors: ReadonlyMap<string, Part>;
};

export type Control =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback-to'
  | 'commit-and-chain'
  | 'rollback-and-chain'
  /** PREPARE TRANSACTION. */
  | 'prepare';

export type IsRuled = (column: Resource) => boolean;

/** One statement of a string. */
export type Part = {
  readonly text: string;
  /** As `effect.class`. */
  readonly class: string;
  readonly effect: Effect;
  readonly control?: Control;
  /** SET, RESET, DISCARD: the session reads its settings again afterwards. */
  readonly changesSettings: boolean;
  readonly sets?: {
    readonly name: string;
    readonly value: string | undefined;
    readonly local: boolean;
  };
  /** The catalog may have changed afterwards. */
  readonly defines: boolean;
  readonly returnsRows: boolean;
  readonly copy?: 'in' | 'out';
  /** COPY … TO STDOUT whose rows can be followed: how they are written, and the types (OIDs) of their columns. */
  readonly copied?: { readonly format: CopyFormat; readonly types: readonly number[] };
  /** Of a plain query: it changes no rows, or exactly as many as its tag says (beside triggers and foreign keys). */
  readonly changes?: 'none' | 'counted';
  /** FETCH: the cursor whose rows it returns. */
  readonly fetches?: string;
  /** `text` is the whole PREPARE, because the types it declares decide what the query means. */
  readonly prepares?: { readonly name: string; readonly text: string; readonly meaning: Meaning };
  readonly deallocates?: string;
  readonly declares?: { readonly cursor: string };
  readonly closes?: string;
  /** A plain query, fixed when it is bound; anything else looks its names up when it is executed. */
  readonly fixedAtBind?: boolean;
  /** What masks must know of types that an owner made, by OID. */
  readonly ownType?: (oid: number) => OwnType | undefined;
  /** True when an error or notice of this statement may carry a value of a column that some rule hides. */
  touchesRuled(isRuled: IsRuled): boolean;
};

export type Masked = {
  readonly text: string;
  /** True when the string writes and something of it is hidden. */
  readonly hidesWrite: boolean;
  /** What each part does, for people, with the literals that may be shown. */
  readonly words: readonly string[];
};

export type Analysis = {
  readonly parts: readonly Part[];
  /** The whole string is refused before any rule is asked. */
  readonly refused?: Refused;
  /** Versions of every object it names: part of the binding. */
  readonly definitions: string;
  readonly meaning: Meaning;
  /** Parameter type OIDs as the server resolved them. */
  readonly parameterTypes: readonly number[];
  /**
   * The string as others may read it; `params` are the values of $1, $2 …, as text. What does not depend on them is
   * worked out once, so keep what it returns for as long as the rules stay the same.
   */
  masker(isRuled: IsRuled): (params?: readonly (string | null | undefined)[]) => Masked;
  /** Absent where nothing was analysed, and where `like` is there. */
  readonly closely?: Closely;
  /** Present where other texts may share this analysis. */
  readonly alike?: Alike;
  /** Of a text that shares the analysis of another one. */
  readonly like?: Likeness;
};

/** A text that is another one but for some of its literals, and where these stand in it. */
export type Given = { readonly text: string; readonly literals: readonly Literal[] };

/** What is known of texts that differ from an analysed one in literals alone; see docs/adr/0012. */
export type Alike = {
  /**
   * Literal by literal, whether any other of its kind may stand there without a change to anything that was analysed.
   * Undefined when none may.
   */
  free(literals: readonly Literal[]): readonly boolean[] | undefined;
  /** What others may read of such a text. Nothing that detectors find may be in it. */
  masker(literals: readonly Literal[], isRuled: IsRuled): (given: Given) => Masked;
};

export type Likeness = {
  /** What was analysed; the texts of its parts are those of the other text. */
  readonly base: Analysis;
  readonly given: Given;
  /** Those of the other text. */
  readonly literals: readonly Literal[];
  /** Its own analysis, as if nothing were known. */
  whole(): Promise<Analysis>;
};
