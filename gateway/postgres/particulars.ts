import type { Rows } from '#src/approval/request.ts';
import { wholeOf } from '#src/statement/sql/alike.ts';
import type { Look } from '#src/statement/statement.ts';
import type { Particulars, RowsAsked, Shape } from '../gate/asked.ts';
import { bind } from '../gate/binding.ts';
import type { Analyser } from './analyser.ts';
import type { ConversationParts } from './deps.ts';
import { Estimates } from './estimates.ts';
import type { Looks, SqlLook } from './look.ts';

/** What approvers need of one session's statements beyond the effect. */
export class SqlParticulars implements Particulars {
  readonly #parts: ConversationParts;
  readonly #analyser: Analyser;
  readonly #looks: Looks;
  readonly #estimates: Estimates;

  readonly #begun: () => boolean;

  /** `begun`: something has run in the transaction that is open. */
  constructor(parts: ConversationParts, analyser: Analyser, looks: Looks, begun: () => boolean) {
    this.#begun = begun;
    this.#parts = parts;
    this.#analyser = analyser;
    this.#looks = looks;
    this.#estimates = new Estimates(parts, analyser, looks.isRuled);
  }

  alike(look: Look): string | undefined {
    const { facts } = this.#parts;
    const analysis = this.#sql(look)?.analysis;
    // Of what shares an analysis, constants are what it differs in.
    const text = (analysis?.like?.base ?? analysis)?.closely?.withoutConstants();
    return text === undefined
      ? undefined
      : JSON.stringify(['postgres', facts.target.name, facts.database, text]);
  }

  async shape(look: Look): Promise<Shape | undefined> {
    try {
      return await this.#shape(look);
    } catch (error) {
      this.#parts.deps.onFailure(error);
      return undefined;
    }
  }

  /** Person, place, every setting that changes meaning and every definition are the same, and the statement is but for its key. */
  async #shape(look: Look): Promise<Shape | undefined> {
    const { facts, config } = this.#parts;
    const { analysis: found, sent, moment } = this.#sql(look) ?? {};
    const analysis = found && (await wholeOf(found));
    const closely = analysis?.refused ? undefined : analysis?.closely;
    if (!analysis || !closely || !moment) return undefined;
    const tables = await this.#analyser.tables(closely.relations);
    const shape = closely.shape(tables, sent?.params);
    if (!shape) return undefined;
    const digest = bind([
      'postgres shape',
      facts.person,
      facts.agent,
      facts.target.name,
      facts.database,
      config.user,
      moment.settings,
      analysis.definitions,
      ...shape.parts,
    ]);
    return { digest, words: shape.words };
  }

  async rows(look: Look, asks: RowsAsked): Promise<Rows> {
    const seen = this.#sql(look);
    if (!seen) return { state: 'unknown', why: 'it could not be analysed' };
    const { sent, moment } = seen;
    const subject = {
      analysis: await wholeOf(seen.analysis),
      params: sent.params ?? [],
      masked: look.masked,
      settings: moment.settings,
      inTransaction: this.#begun(),
    };
    return this.#estimates.rows(subject, asks);
  }

  #sql(look: Look): SqlLook | undefined {
    return this.#looks.isOwn(look) ? look : undefined;
  }
}
