import type { Effect, Resource } from '../effect.ts';
import type { Refused } from '../statement.ts';
import type { IsRuled, NamedThings, Part, PreparedText, SqlSettings } from './analysis.ts';
import type { Block, BlockStatement } from './block.ts';
import type { Catalog } from './catalog.ts';
import type { SqlToken } from './lexer.ts';
import type { Outline } from './outline.ts';
import type { QueryFacts } from './tree.ts';

/** A statement that is refused before any rule is asked. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly refused: Refused;
  constructor(rule: string, message: string, hint: string, code = '0A000') {
    super(message);
    this.refused = { rule: `countersign/${rule}`, message, hint, code };
  }
}

/** One statement with what its judgement may need. */
export type Statement = {
  readonly text: string;
  /** The whole string as bytes, and where this statement stands in it. */
  readonly bytes: string;
  readonly start: number;
  readonly end: number;
  /** Tokens of this statement without comments. */
  readonly tokens: readonly SqlToken[];
  readonly catalog: Catalog;
  readonly settings: SqlSettings;
  /** The schemas of the search path. */
  readonly path: readonly string[];
  readonly named: NamedThings;
  /** What a DO holds. */
  readonly block?: Block;
};

/** A string split into its statements, ready to be judged one after the other. */
export type Unit = {
  readonly bytes: string;
  readonly tokens: readonly SqlToken[];
  readonly statements: readonly { readonly statement: Statement; readonly outline: Outline }[];
};

/** What to ask the target: `start` is the byte of the whole string where `text` begins. */
export type Question = {
  readonly text: string;
  readonly start: number;
  /** Parameter types: OIDs, or names as the statement spells them. */
  readonly types: readonly number[] | readonly string[];
};

/** A statement's part, with what its literals, words and definitions are made from. */
export type Judged = {
  readonly part: Part;
  readonly facts?: QueryFacts;
  /** The byte of the whole string where the analysed text begins; undefined when it is not part of the string. */
  readonly factsStart?: number;
  readonly relations: ReadonlySet<number>;
  readonly routines: ReadonlySet<number>;
  /** Depends on names of the session, so it must not be kept by text alone. */
  readonly named?: boolean;
  /** Of a PREPARE: the query that EXECUTE will run. */
  readonly prepared?: Judged;
  /** Everything that is a literal may be a secret: ALTER ROLE … PASSWORD and the like. */
  readonly secret?: boolean;
};

/** How one statement is judged: at once, or after the target was asked. */
export type Plan =
  | { readonly kind: 'judged'; readonly judged: Judged }
  | {
      readonly kind: 'ask';
      readonly ask: Question;
      build(facts: QueryFacts): Judged;
    }
  | {
      /** EXECUTE: another text, which is judged like a statement of its own. */
      readonly kind: 'named';
      readonly named: PreparedText;
      build(inner: Judged): Judged;
    }
  | {
      /** REFRESH MATERIALIZED VIEW: the query behind the view of this OID. */
      readonly kind: 'view';
      readonly view: number;
      build(facts: QueryFacts): Judged;
    }
  | {
      /** DO: what stands in it, each judged by itself; undefined where that is not possible. */
      readonly kind: 'block';
      readonly statements: readonly BlockStatement[];
      build(inner: readonly (Judged | undefined)[]): Judged;
    };

const none: ReadonlySet<number> = new Set();

export function effect(kind: string, words: string, more: Partial<Effect> = {}): Effect {
  return { class: kind, accesses: [], columns: [], bounded: true, words, ...more };
}

export type PartExtra = Partial<Omit<Part, 'text' | 'class' | 'effect' | 'touchesRuled'>>;

/** A part that reads nothing of the target's tables. */
export function simple(statement: Statement, what: Effect, extra: PartExtra = {}): Judged {
  return {
    part: makePart(
      statement,
      what,
      extra,
      (isRuled) => what.opaque === true && statement.catalog.hasRuled(isRuled),
    ),
    relations: none,
    routines: none,
  };
}

export function makePart(
  statement: Statement,
  what: Effect,
  extra: PartExtra,
  touchesRuled: (isRuled: IsRuled) => boolean,
): Part {
  return {
    text: statement.text,
    class: what.class,
    effect: what,
    changesSettings: false,
    defines: false,
    returnsRows: what.outputs !== undefined,
    ownType: statement.catalog.ownType,
    ...extra,
    touchesRuled,
  };
}

/** Whether an error of a query may show a value that is ruled: what it reads, whole rows it writes, and anything at all where code cannot be seen. */
export function touches(
  facts: QueryFacts,
  outputs: readonly Resource[],
): (isRuled: IsRuled) => boolean {
  const { uses } = facts;
  const { catalog } = uses;
  return (isRuled) => {
    for (const set of [uses.reads, uses.filter, uses.join, uses.assign, uses.flows, outputs])
      for (const column of set) if (isRuled(column)) return true;
    if (catalog.allColumns(uses.written).some(isRuled)) return true;
    const unseen = uses.opaque || [...uses.written].some((oid) => catalog.relation(oid).triggers);
    return unseen && catalog.hasRuled(isRuled);
  };
}
