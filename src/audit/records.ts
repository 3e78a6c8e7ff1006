import { z } from 'zod';
import type { Database, Sql } from '../store/database.ts';
import type { Json, JsonObject } from './log.ts';
import type { Records, RecordsPart, RecordView } from './reader.ts';

type Row = {
  readonly id: string;
  readonly writer: string;
  readonly seq: string;
  readonly at: Date;
  readonly kind: string;
  readonly session: string | null;
  readonly statement: string | null;
  readonly request: string | null;
  readonly person: string | null;
  readonly agent: string | null;
  readonly target: string | null;
  readonly verdict: string | null;
  readonly hash: Buffer;
  readonly body: string | null;
};

const VIEW = `select b.id, r.writer, r.seq, b.at, b.kind, b.session, b.statement, b.request, b.person, b.agent, b.target,
  b.verdict, r.hash, b.body from countersign.record_body b join countersign.record r using (id)`;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const QUALIFIERS: Readonly<Record<string, 'text' | 'uuid'>> = {
  person: 'text',
  agent: 'text',
  target: 'text',
  kind: 'text',
  verdict: 'text',
  writer: 'text',
  session: 'uuid',
  request: 'uuid',
  statement: 'uuid',
};
const TERM = /(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/g;
const MAX_LIMIT = 500;
/** Free text looks at this many of the newest records that fit the qualifiers. */
const TEXT_DEPTH = 50_000;
const TIMEOUT_MS = 5_000;

/** Reads records; the queries are bounded in rows and in time. */
export function openRecords(db: Database): Records {
  return {
    async get(id) {
      if (!UUID.test(id)) return undefined;
      const { rows } = await db.pool.query<Row>(`${VIEW} where b.id = $1`, [id]);
      return rows[0] && viewOf(rows[0]);
    },
    async search(q, limit, part = {}) {
      const most = Math.min(Math.max(1, Math.trunc(limit) || 1), MAX_LIMIT);
      const query = searchQuery(q, most, part);
      if (!query) return [];
      return db
        .transaction(async (sql) => {
          await sql.query(`set local statement_timeout = ${TIMEOUT_MS}`);
          const { rows } = await sql.query<Row>(query);
          return rows.map(viewOf);
        })
        .catch((error: unknown) => {
          if (error instanceof Error && 'code' in error && error.code === '57014')
            throw new Error(
              'the search took too long; name a session, a request or a statement, or fewer words',
              { cause: error },
            );
          throw error;
        });
    },
  };
}

/** These records, in any order; those that are not there are left out. */
export async function readRecords(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly RecordView[]> {
  const { rows } = await sql.query<Row>(`${VIEW} where b.id = any($1::uuid[])`, [ids]);
  return rows.map(viewOf);
}

/** Undefined when no record can fit. */
function searchQuery(q: string, limit: number, part: RecordsPart) {
  const { where, words, values } = parse(q);
  if (!where) return undefined;
  where.push(...partOf(part, (value) => `$${values.push(value)}`));
  const filter = where.length ? `where ${where.join(' and ')}` : '';
  if (!words.length)
    return { text: `${VIEW} ${filter} order by b.at desc, b.id limit ${limit}`, values };
  const likes = words.map((word) => {
    values.push(`%${word}%`);
    return `body ilike $${values.length}`;
  });
  const text = `select * from (${VIEW} ${filter} order by b.at desc, b.id limit ${TEXT_DEPTH}) newest
    where ${likes.join(' and ')} order by at desc, id limit ${limit}`;
  return { text, values };
}

/** `person:a@b.c "two words" word`; `where` is undefined when a value cannot be stored. */
function parse(q: string) {
  const where: string[] = [];
  const words: string[] = [];
  const values: string[] = [];
  for (const [, name, quoted, plain] of q.matchAll(TERM)) {
    const value = quoted ?? plain ?? '';
    const type = name === undefined ? undefined : QUALIFIERS[name];
    if (type && !(type === 'uuid' ? UUID.test(value) : !value.includes('\0')))
      return { where: undefined, words, values };
    if (name !== undefined && type) {
      values.push(value);
      where.push(condition(name, type, values.length));
    } else words.push(pattern(name === undefined ? value : `${name}:${value}`));
  }
  return { where, words, values };
}

function partOf(
  { from, to, before }: RecordsPart,
  put: (value: string) => string,
): readonly string[] {
  if (before !== undefined && !UUID.test(before)) return ['false'];
  const last = before && put(before);
  const at = `(select at from countersign.record_body where id = ${last}::uuid)`;
  return [
    from && `b.at >= ${put(from)}::timestamptz`,
    to && `b.at < ${put(to)}::timestamptz`,
    // The first half is for the index; the row itself knows its time to the microsecond.
    last && `b.at <= ${at} and (b.at < ${at} or b.id > ${last}::uuid)`,
  ].filter((each) => each !== undefined);
}

function condition(name: string, type: 'text' | 'uuid', parameter: number): string {
  if (name === 'person') return `lower(b.person) = lower($${parameter})`;
  return `b.${name} = $${parameter}::${type}`;
}

/** As the text stands in canonical JSON, with what LIKE reads specially escaped. */
function pattern(text: string): string {
  return JSON.stringify(text.toWellFormed())
    .slice(1, -1)
    .replace(/[\\%_]/g, String.raw`\$&`);
}

function viewOf(row: Row): RecordView {
  const { body, hash, at, ...rest } = row;
  const { session, statement, request, person, agent, target, verdict, ...place } = rest;
  return {
    ...place,
    at: at.toISOString(),
    hash: hash.toString('hex'),
    ...(session !== null && { session }),
    ...(statement !== null && { statement }),
    ...(request !== null && { request }),
    ...(person !== null && { person }),
    ...(agent !== null && { agent }),
    ...(target !== null && { target }),
    ...(verdict !== null && { verdict }),
    ...(body !== null && { body: bodyOf(body) }),
  };
}

const json: z.ZodType<Json> = z.json();
const committed = z.object({ body: z.record(z.string(), json) });

function bodyOf(text: string): JsonObject {
  return committed.parse(JSON.parse(text)).body;
}
