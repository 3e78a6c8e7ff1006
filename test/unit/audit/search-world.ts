import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Entry, JsonObject } from '#src/audit/log.ts';
import { startProjection, projectBatch, searchLag } from '#src/audit/search/project.ts';
import { parseQuery, type Query } from '#src/audit/search/query.ts';
import { openSearch, type Found, type Search } from '#src/audit/search/search.ts';
import type { Scope } from '#src/audit/search/where.ts';
import { startSequencer } from '#src/audit/tree/sequencer.ts';
import { openAuditLog, type OpenAuditLog } from '#src/audit/writer.ts';
import type { Recordings } from '#src/recording/port.ts';
import { eventually } from '../../fakes/gateway.ts';
import { startStore, type TestStore } from '../store/store.ts';

export type Step = Omit<Entry, 'body'> & { readonly body?: JsonObject };

/** A store with a log, a tree over it, and what is searched of that. */
export class SearchWorld implements AsyncDisposable {
  readonly store: TestStore;
  readonly search: Search;
  readonly log: OpenAuditLog;
  readonly errors: Error[] = [];
  readonly #sequencer: { close(): Promise<void> };

  private constructor(store: TestStore, log: OpenAuditLog) {
    this.store = store;
    this.log = log;
    this.search = openSearch(store.db.url, (error) => this.errors.push(error));
    const onError = (error: Error): void => void this.errors.push(error);
    this.#sequencer = startSequencer({
      db: store.db,
      everyMs: 20,
      followMs: 20,
      onError,
      onProblem: () => onError(new Error('a chain is broken')),
    });
  }

  static async start(): Promise<SearchWorld> {
    const store = await startStore();
    const log = await openAuditLog({
      db: store.db,
      writer: `gateway-${randomUUID()}`,
      epoch: 1,
      held: () => true,
      onError: assert.ifError,
    });
    return new SearchWorld(store, log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
    await this.#sequencer.close();
    await this.search.close();
    await this.store.close();
  }

  /** Ids of the records, in the order of the entries. */
  async write(...steps: readonly Step[]): Promise<readonly string[]> {
    const ids: string[] = [];
    for (const step of steps) {
      const { record } = await this.log.append({ body: {}, ...step });
      ids.push(record);
      // Times are in milliseconds: what is newer must have another one.
      const now = Date.now();
      while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve));
    }
    return ids;
  }

  /** Projects all that was written; resolves with the number of batches. */
  async project(
    recordings?: Pick<Recordings, 'readChunk'>,
    scopeOf?: (owner: string) => Promise<Scope | undefined>,
  ): Promise<number> {
    const written = await this.store.db.pool.query(
      'select count(*)::int as n from countersign.record',
    );
    await eventually('the tree', async () => {
      const { rows } = await this.store.db.pool.query(
        'select size::int from countersign.tree_head',
      );
      return rows[0].size >= written.rows[0].n || undefined;
    });
    let batches = 0;
    const options = {
      db: this.store.db,
      onError: (error: Error): void => void this.errors.push(error),
      ...(recordings && { recordings }),
      ...(scopeOf && { scopeOf }),
    };
    do {
      await projectBatch(options);
      batches += 1;
    } while ((await searchLag(this.store.db)) > 0 && batches < 1_000);
    return batches;
  }

  running(): { close(): Promise<void> } {
    return startProjection({
      db: this.store.db,
      everyMs: 10,
      onError: (error) => this.errors.push(error),
    });
  }

  async find(q: string, scope: Scope = {}, limit = 50): Promise<readonly Found[]> {
    return (await this.search.searchRecords(query(q), { scope, limit })).found;
  }

  async ids(q: string, scope: Scope = {}): Promise<readonly string[]> {
    return (await this.find(q, scope)).map(({ record }) => record.id);
  }
}

export function query(q: string): Query {
  const parsed = parseQuery(q, Date.now());
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.query;
}

/** A statement and what becomes of it. */
export function statement(
  person: string,
  text: string,
  more: Partial<Step> & { readonly said?: JsonObject } = {},
): Step & { readonly statement: string } {
  const { said, ...rest } = more;
  return {
    kind: 'statement',
    person: `${person}@example.com`,
    target: 'shop',
    verdict: 'allow',
    session: randomUUID(),
    statement: randomUUID(),
    ...rest,
    body: { class: ['select'], text, ...said },
  };
}
