import { z } from 'zod';
import type { Database } from '../store/database.ts';
import { readShared } from './shared.ts';

/** A statement's record, with what is needed to judge it again. */
export type RecordedStatement = {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly person: string | undefined;
  readonly agent: string | undefined;
  readonly target: string | undefined;
  readonly verdict: string | undefined;
  readonly body: StatementBody;
  /** What `body.effects` and `body.subject` name; undefined when it is not known any more, or never was. */
  readonly effects: string | undefined;
  readonly subject: string | undefined;
};

const body = z.object({
  class: z.array(z.string()).default([]),
  rules: z.array(z.string()).default([]),
  text: z.string().default(''),
  message: z.string().optional(),
  reason: z.string().optional(),
  purpose: z.string().optional(),
  inTransaction: z.boolean().default(false),
  masked: z.record(z.string(), z.string()).default({}),
  requirement: z.unknown().optional(),
  freshSignIn: z.string().optional(),
  effects: z.string().optional(),
  subject: z.string().optional(),
});
export type StatementBody = z.infer<typeof body>;
const committed = z.object({ body });

type Row = {
  readonly id: string;
  readonly at: Date;
  readonly person: string | null;
  readonly agent: string | null;
  readonly target: string | null;
  readonly verdict: string | null;
  readonly body: string | null;
};

const PAGE = 500;

/** Calls `visit` for every statement's record since then, oldest first; one whose body was erased is left out. */
export async function eachStatement(
  db: Database,
  { since, target }: { readonly since: Date; readonly target?: string | undefined },
  visit: (statement: RecordedStatement) => void,
): Promise<void> {
  await db.transaction(async (sql) => {
    await sql.query('set transaction read only');
    await sql.query({
      text: `declare statements no scroll cursor for
        select id, at, person, agent, target, verdict, body from countersign.record_body
        where kind = 'statement' and at >= $1 and ($2::text is null or target = $2) and body is not null
        order by at, id desc`,
      values: [since, target ?? null],
    });
    for (;;) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one page after the other
      const { rows } = await sql.query<Row>(`fetch ${PAGE} from statements`);
      if (rows.length === 0) return;
      // oxlint-disable-next-line eslint/no-await-in-loop
      for (const statement of await statementsOf(db, rows)) visit(statement);
    }
  });
}

async function statementsOf(
  db: Database,
  rows: readonly Row[],
): Promise<readonly RecordedStatement[]> {
  const read = rows.map((row) => ({
    row,
    body: committed.parse(JSON.parse(row.body ?? '{}')).body,
  }));
  const digests = read.flatMap((one) => [one.body.effects ?? [], one.body.subject ?? []].flat());
  const texts = await readShared(db.pool, [...new Set(digests)]);
  return read.map(({ row, body: said }) => ({
    id: row.id,
    at: row.at.getTime(),
    person: row.person ?? undefined,
    agent: row.agent ?? undefined,
    target: row.target ?? undefined,
    verdict: row.verdict ?? undefined,
    body: said,
    effects: texts.get(said.effects ?? ''),
    subject: texts.get(said.subject ?? ''),
  }));
}
