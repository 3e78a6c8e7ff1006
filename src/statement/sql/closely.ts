import type { Resource } from '../effect.ts';

/** A unique index that holds at every moment and for all rows. */
export type UniqueKey = {
  /** OID of the index. */
  readonly index: number;
  readonly primary: boolean;
  readonly columns: readonly {
    readonly attribute: number;
    /** 0 where the type has none. */
    readonly collation: number;
    /** OIDs of the equality operators that the index goes by. */
    readonly operators: readonly number[];
  }[];
};

/** What a table's rows are kept by, as its catalog tells at this moment. */
export type Table = {
  /** pg_class.relkind. */
  readonly kind: string;
  /** Policies hide rows from some roles, and run code of their own. */
  readonly rowSecurity: boolean;
  /** Other tables inherit from it; no index spans them. */
  readonly children: boolean;
  /** The primary key first. */
  readonly keys: readonly UniqueKey[];
};

/** By OID. */
export type Tables = ReadonlyMap<number, Table>;

/** Parameters as text; undefined where one cannot be told. */
export type Values = readonly (string | null | undefined)[];

/** What a later statement must be to be the same; equal `parts` mean the same but for what `words` says. */
export type Shape = { readonly parts: readonly (string | undefined)[]; readonly words: string };

/** Why there is no number of rows, for people. */
export type Cannot = { readonly why: string };

/** A query whose one row says how many rows a statement touches. */
export type Counting = {
  readonly text: string;
  /** Which rows that is about: its own analysis must say the same. Undefined where it holds the statement as it is. */
  readonly rows?: string;
  /** A query for keys of some of them, as text. */
  readonly sample?: {
    readonly text: string;
    readonly columns: readonly { readonly name: string; readonly column: Resource }[];
  };
};

/** What approvers of a held statement need beyond its effect; worked out when it is asked for. */
export type Closely = {
  /** OIDs of everything it touches. */
  readonly relations: readonly number[];
  /** The text with its constants left out, to find what was asked before. It decides nothing. */
  withoutConstants(): string;
  /** Undefined when it cannot be told what the same statement would be. */
  shape(tables: Tables, values?: Values): Shape | undefined;
  /** The text that may be planned to estimate its rows. */
  estimating(tables: Tables): string | Cannot;
  counting(tables: Tables, sample?: number): Counting | Cannot;
  /** True for a query that is sure to only read, by built-in functions that leave no trace. */
  readonly harmless: boolean;
  /** Which rows a plain query is about, to compare two queries; undefined for anything else. */
  rows(): string | undefined;
};
