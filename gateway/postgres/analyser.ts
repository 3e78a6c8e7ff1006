import type { TargetConfig } from '#src/config/config.ts';
import type { Analysis, NamedThings, SqlSettings } from '#src/statement/sql/analysis.ts';
import { refusedAnalysis } from '#src/statement/sql/analyse.ts';
import { NotInCatalog, type CatalogNames } from '#src/statement/sql/catalog.ts';
import { NotResolved } from '#src/statement/sql/nodetree.ts';
import { Refusal } from '#src/statement/sql/part.ts';
import type { Tables } from '#src/statement/sql/closely.ts';
import { tooDeep } from '#src/statement/sql/parse.ts';
import type { Refused } from '#src/statement/statement.ts';
import { StatementCache } from './analyser/cache.ts';
import { Definitions } from './analyser/definitions.ts';
import { Judge } from './analyser/judge.ts';
import { Parser } from './analyser/parser.ts';
import { SidecarPool } from './analyser/pool.ts';
import { Shapes } from './analyser/shapes.ts';
import { NoTree } from './analyser/sidecar.ts';
import { roleAt, schemasOfRole, type Role } from './analyser/roles.ts';
import { readTables } from './analyser/tables.ts';
import { CatalogReader } from './catalog.ts';

export type AnalyseOptions = {
  /** Past the cache, with the target's definitions as they are now. */
  readonly fresh?: boolean;
  /** Parameter type OIDs of a Parse message; 0 lets the target decide. */
  readonly parameterTypes?: readonly number[];
};

/** Tells what SQL would do on one database of one target. */
export interface Analyser {
  /** Never rejects: what cannot be judged comes back as `refused`. */
  analyse(
    text: string,
    settings: SqlSettings,
    named: NamedThings,
    options: AnalyseOptions,
  ): Promise<Analysis>;
  /** What the rows of these relations are kept by, as it is now. Rejects when the target cannot be asked. */
  tables(relations: readonly number[]): Promise<Tables>;
  /** DDL went through the gateway: nothing that was judged before counts any more. */
  bumpEpoch(): void;
  /** What rules can name of this database. */
  names(): Promise<CatalogNames>;
  /** What a role of the target may do; undefined when there is none of this name. `own` are the gateway's roles there. */
  role(name: string, own: readonly string[]): Promise<Role | undefined>;
  /** Rejects when the target cannot be asked as the analyser's role. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export function openAnalyser(
  target: TargetConfig,
  database: string,
  options: { readonly onError: (error: Error) => void },
): Analyser {
  return new TargetAnalyser(target, database, options.onError);
}

class TargetAnalyser implements Analyser {
  readonly #cache = new StatementCache<Promise<Analysis>>();
  readonly #shapes = new Shapes();
  readonly #reader: CatalogReader;
  readonly #definitions: Definitions;
  readonly #parser = new Parser();
  readonly #pool: SidecarPool;
  readonly #onError: (error: Error) => void;
  #epoch = 0;

  constructor(target: TargetConfig, database: string, onError: (error: Error) => void) {
    this.#onError = onError;
    this.#reader = new CatalogReader(target, database);
    this.#pool = new SidecarPool(target, database);
    this.#definitions = new Definitions(this.#reader, () => this.#forget());
  }

  analyse(
    text: string,
    settings: SqlSettings,
    named: NamedThings,
    options: AnalyseOptions,
  ): Promise<Analysis> {
    const types = options.parameterTypes ?? [];
    const key = `${settings.user}\0${settings.searchPath}\0${types.join()}`;
    const state = this.#definitions.state;
    if (!options.fresh && state !== 'unusable') {
      const known = this.#cache.get(key, text) ?? this.#alike(key, text, settings, named, options);
      if (known && state === 'stale') this.#definitions.current().catch(this.#onError);
      if (known) return known;
    }
    return this.#miss(key, text, settings, named, options);
  }

  async #miss(
    key: string,
    text: string,
    settings: SqlSettings,
    named: NamedThings,
    options: AnalyseOptions,
  ): Promise<Analysis> {
    if (!options.fresh) {
      // After a pause the definitions are looked at first, which empties the memory if they have changed.
      await this.#definitions.current().catch(() => undefined);
      const known =
        this.#definitions.state === 'unusable'
          ? undefined
          : (this.#cache.get(key, text) ?? this.#alike(key, text, settings, named, options));
      if (known) return known;
    }
    const epoch = this.#epoch;
    const types = options.parameterTypes ?? [];
    const { analysis, keep } = await this.#judge(
      text,
      settings,
      named,
      types,
      options.fresh === true,
    );
    if (keep && epoch === this.#epoch) {
      this.#cache.set(key, text, Promise.resolve(analysis));
      this.#shapes.set(key, text, analysis);
    }
    return analysis;
  }

  /** By the analysis of a text that differs in literals alone. */
  #alike(
    key: string,
    text: string,
    settings: SqlSettings,
    named: NamedThings,
    options: AnalyseOptions,
  ): Promise<Analysis> | undefined {
    const whole = (): Promise<Analysis> =>
      this.analyse(text, settings, named, { ...options, fresh: true });
    const analysis = this.#shapes.get(key, text, whole);
    return analysis && Promise.resolve(analysis);
  }

  async #judge(
    text: string,
    settings: SqlSettings,
    named: NamedThings,
    types: readonly number[],
    fresh: boolean,
  ): Promise<{ readonly analysis: Analysis; readonly keep: boolean }> {
    try {
      const parsed = await this.#parser.parse(text);
      if (parsed.refused) return { analysis: refusedAnalysis(parsed.refused), keep: false };
      const attempt = async (now: boolean): Promise<{ analysis: Analysis; keep: boolean }> => {
        const catalog = await this.#definitions.current(now);
        if (!catalog.knows(settings.user))
          catalog.roles.set(
            settings.user,
            await schemasOfRole(await this.#reader.connect(), settings.user),
          );
        const judge = new Judge({
          catalog,
          settings,
          pool: this.#pool,
          parser: this.#parser,
          reader: this.#reader,
        });
        return judge.string(text, parsed.outlines, named, types);
      };
      return await attempt(fresh).catch((error: unknown) => {
        // Something was made since the last look.
        if (error instanceof NotInCatalog) return attempt(true);
        throw error;
      });
    } catch (error) {
      return { analysis: refusedAnalysis(this.#refusal(error)), keep: false };
    }
  }

  #refusal(error: unknown): Refused {
    if (error instanceof Refusal) return error.refused;
    if (error instanceof RangeError) return tooDeep;
    const known = error instanceof NotResolved;
    if (error instanceof Error && !known) this.#onError(error);
    if (error instanceof NoTree) return noTree;
    return known
      ? {
          rule: 'countersign/not-resolved',
          message: `what this statement would do cannot be established: ${error.message}`,
          hint: 'Write it in a simpler way.',
          code: '0A000',
        }
      : {
          rule: 'countersign/analyser',
          message: 'the target cannot be asked what this statement would do',
          hint: 'Try again; if it stays so, tell the operator to look at the analyser of this target.',
          code: '08006',
        };
  }

  async tables(relations: readonly number[]): Promise<Tables> {
    return readTables(await this.#reader.connect(), relations);
  }

  bumpEpoch(): void {
    this.#forget();
    this.#definitions.expire();
  }

  #forget(): void {
    this.#epoch += 1;
    this.#cache.clear();
    this.#shapes.clear();
  }

  async names(): Promise<CatalogNames> {
    return (await this.#definitions.current()).names();
  }

  async role(name: string, own: readonly string[]): Promise<Role | undefined> {
    return roleAt(await this.#reader.connect(), name, own);
  }

  async ready(): Promise<void> {
    await Promise.all([this.#definitions.current(), this.#pool.connect()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#reader.close(), this.#parser.close()]);
  }
}

const noTree: Refused = {
  rule: 'countersign/no-tree',
  message: 'the target does not tell what a statement would do, so none can be judged here',
  hint: 'Ask the operator to run "countersign doctor": the analyser must reach PostgreSQL itself, without a pooler in between.',
  code: '0A000',
};
