import type {
  Analysis,
  NamedThings,
  PreparedText,
  SqlSettings,
} from '#src/statement/sql/analysis.ts';
import { Overlay, analysisOf, checkOrder, unitOf } from '#src/statement/sql/analyse.ts';
import type { BlockStatement } from '#src/statement/sql/block.ts';
import { type Catalog, NotInCatalog } from '#src/statement/sql/catalog.ts';
import { meaningOf, meansOther, stillMeans } from '#src/statement/sql/meaning.ts';
import { NotResolved } from '#src/statement/sql/nodetree.ts';
import type { Outline } from '#src/statement/sql/outline.ts';
import { type Judged, type Question, Refusal, type Statement } from '#src/statement/sql/part.ts';
import { checkExecutable, plan } from '#src/statement/sql/plan.ts';
import { scrub } from '#src/statement/sql/scrub.ts';
import { pathText, schemasOf } from '#src/statement/sql/search-path.ts';
import { type Described, type QueryFacts, queryFacts } from '#src/statement/sql/tree.ts';
import type { CatalogReader } from '../catalog.ts';
import { tokensOf, treesOf } from './in-steps.ts';
import type { Parser } from './parser.ts';
import type { SidecarPool } from './pool.ts';
import type { Rejected } from './sidecar.ts';

type Parts = {
  readonly catalog: Catalog;
  readonly settings: SqlSettings;
  readonly pool: SidecarPool;
  readonly parser: Parser;
  readonly reader: CatalogReader;
};

/** Judges one string under one state of the definitions. */
export class Judge {
  readonly #parts: Parts;
  readonly #path: string;
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#path = pathText(parts.catalog.usable(schemasOf(parts.settings), parts.settings.user));
  }

  /** Throws Refusal or NotResolved; `keep` is false when the answer depends on more than the text. */
  async string(
    text: string,
    outlines: readonly Outline[],
    named: NamedThings,
    types: readonly number[],
  ): Promise<{ readonly analysis: Analysis; readonly keep: boolean }> {
    const { catalog, settings } = this.#parts;
    const overlay = new Overlay(named);
    if (outlines.length > mostStatements) throw tooMany;
    const unit = unitOf(text, outlines, catalog, settings, overlay, await tokensOf(text));
    const judged: Judged[] = [];
    let parameterTypes: readonly number[] = [];
    for (const { statement, outline } of unit.statements) {
      // In order, because an earlier statement of the string can prepare what a later one runs.
      // oxlint-disable-next-line no-await-in-loop
      const one = await this.#statement(statement, outline, types);
      checkOrder(
        judged.map(({ part }) => part),
        one.part,
      );
      overlay.apply(one.part);
      judged.push(one);
      parameterTypes = one.facts?.parameterTypes ?? parameterTypes;
    }
    const keep = !judged.some((one) => one.named);
    return { analysis: analysisOf(unit, judged, catalog, parameterTypes), keep };
  }

  async #statement(
    statement: Statement,
    outline: Outline,
    types: readonly number[],
  ): Promise<Judged> {
    const how = plan(statement, outline.node, types);
    if (how.kind === 'judged') {
      const unknown = this.#unresolved(this.#copies(how.judged.relations));
      if (unknown === undefined) return how.judged;
      await this.#materialized(unknown, statement);
      return this.#statement(statement, outline, types);
    }
    if (how.kind === 'ask') return how.build(await this.#ask(how.ask, statement));
    if (how.kind === 'view') return how.build(await this.#view(how.view, statement));
    if (how.kind === 'block') return how.build(await this.#block(how.statements, statement));
    return how.build(await this.#prepared(how.named, statement));
  }

  async #view(oid: number, statement: Statement): Promise<QueryFacts> {
    const text = await this.#parts.reader.viewDefinition(oid);
    return this.#ask({ text, start: 0, types: [] }, statement);
  }

  /** What stands in a DO block, statement by statement; undefined where the target cannot tell. */
  async #block(
    statements: readonly BlockStatement[],
    around: Statement,
  ): Promise<readonly (Judged | undefined)[]> {
    const judged: (Judged | undefined)[] = [];
    // oxlint-disable-next-line no-await-in-loop
    for (const one of statements) judged.push(await this.#inside(one, around));
    return judged;
  }

  async #inside({ text, types }: BlockStatement, around: Statement): Promise<Judged | undefined> {
    try {
      const parsed = await this.#parts.parser.parse(text);
      const outline = parsed.outlines?.[0];
      if (!outline || parsed.outlines?.length !== 1) return undefined;
      const unit = unitOf(text, [outline], around.catalog, around.settings, around.named);
      const inner = unit.statements[0]?.statement;
      return inner && (await this.#statement(inner, outline, await this.#types(types)));
    } catch (error) {
      if (error instanceof NotInCatalog) throw error;
      const known = error instanceof NotResolved || isUnknown(error);
      if (known) return undefined;
      // What is refused by itself is refused in a block as well.
      throw error;
    }
  }

  /** What stands behind EXECUTE: judged like a statement of its own, with the types it was prepared with. */
  async #prepared(prepared: PreparedText, around: Statement): Promise<Judged> {
    const { text, types, sql, meant } = typeof prepared === 'string' ? sqlText(prepared) : prepared;
    const parsed = await this.#parts.parser.parse(text);
    const outline = parsed.outlines?.[0];
    if (!outline || parsed.outlines?.length !== 1)
      throw new NotResolved('the prepared statement cannot be read');
    const unit = unitOf(text, [outline], around.catalog, around.settings, around.named);
    const inner = unit.statements[0]?.statement;
    if (!inner) throw new NotResolved('the prepared statement is empty');
    checkExecutable(outline.node, sql === true);
    const judged = await this.#statement(inner, outline, types);
    const found = judged.prepared ?? judged;
    if (meant && !stillMeans(meant, meaningOf(around.path, [found]))) throw meansOther;
    return found;
  }

  async #ask(question: Question, statement: Statement): Promise<QueryFacts> {
    const types = await this.#types(question.types);
    const described = await this.#describe(question.text, types, statement, question.start);
    const trees = await treesOf(described.tree);
    for (;;) {
      const facts = queryFacts(this.#parts.catalog, described, trees);
      const { relations, views } = facts.uses;
      const unknown = this.#unresolved([...this.#copies(relations), ...views]);
      if (unknown === undefined) return facts;
      // oxlint-disable-next-line no-await-in-loop
      await this.#materialized(unknown, statement);
    }
  }

  #copies(relations: ReadonlySet<number>): readonly number[] {
    return [...relations].filter((oid) => this.#parts.catalog.relation(oid).kind === 'm');
  }

  #unresolved(views: readonly number[]): number | undefined {
    return views.find((oid) => !this.#parts.catalog.materialized.has(oid));
  }

  /** A materialized view keeps copies: its columns count as those they were made from. So do those of a view with triggers. */
  async #materialized(oid: number, statement: Statement): Promise<void> {
    const { catalog, reader } = this.#parts;
    const text = await reader.viewDefinition(oid);
    const facts = await this.#ask({ text, start: 0, types: [] }, statement);
    const outputs = facts.outputs ?? [];
    const attributes = [...catalog.relation(oid).columns.keys()];
    catalog.materialized.set(
      oid,
      new Map(
        attributes.map((attribute, index) => [
          attribute,
          outputs[index] ?? { sources: [], verbatim: false },
        ]),
      ),
    );
  }

  async #describe(
    text: string,
    types: readonly number[],
    statement: Statement,
    start: number,
  ): Promise<Described> {
    const answer = await this.#parts.pool.ask(text, types, this.#path);
    if (answer.described) return answer.described;
    throw refusalOf(answer.rejected, statement, start);
  }

  /** Type names as the statement spells them, resolved by the target under the same path. */
  async #types(types: readonly number[] | readonly string[]): Promise<readonly number[]> {
    const names = types.filter((type) => typeof type === 'string');
    if (names.length === 0) return types.filter((type) => typeof type === 'number');
    const text = `select ${names.map((name) => `null::${name}`).join(', ')}`;
    const answer = await this.#parts.pool.ask(text, [], this.#path);
    const fields = answer.described?.fields;
    if (fields?.length !== names.length)
      throw new NotResolved('the parameter types cannot be resolved');
    return fields.map(({ dataTypeID }) => dataTypeID);
  }
}

const sqlText = (text: string): Exclude<PreparedText, string> => ({ text, types: [], sql: true });

/** The target knows more of a block's variables and records than can be asked about. */
const isUnknown = (error: unknown): boolean =>
  error instanceof Refusal &&
  ['countersign/not-resolved', 'countersign/not-judged'].includes(error.refused.rule);

const mostStatements = 1000;
const tooMany = new Refusal(
  'not-judged',
  `a string of more than ${mostStatements} statements is not judged`,
  'Send them in smaller strings.',
  '54000',
);
const busy = new Set(['55P03', '40P01']);

function refusalOf(rejected: Rejected, statement: Statement, start: number): Refusal {
  const { code, message, position } = rejected;
  if (busy.has(code))
    return new Refusal(
      'not-resolved',
      'an object of this statement is locked, so it cannot be analysed',
      'End the transaction that holds the lock (maybe your own, after DDL), and try again.',
      '55P03',
    );
  if (code === '57014')
    return new Refusal(
      'not-resolved',
      'the target takes too long to say what this statement would do',
      'Split it into smaller statements.',
      '54001',
    );
  if (code === '42501')
    return new Refusal(
      'not-resolved',
      `the analyser may not look at this: ${message}`,
      'Grant USAGE on the schema to the analyser role.',
      code,
    );
  const before = Buffer.from(statement.bytes.slice(0, start), 'latin1').toString().length;
  const hint =
    position === undefined ? 'Check the statement.' : `Look at character ${position + before}.`;
  return new Refusal('not-resolved', scrub(message, code), hint, code);
}
