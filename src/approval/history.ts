import { createHmac } from 'node:crypto';
import { z } from 'zod';
import type { Sql } from '../store/database.ts';
import type { Ran, Same } from './request.ts';

const SHOWN = 10;
/** Statements of the gateway's own come between. */
const LOOKED_AT = 40;
const TEXT_MAX = 300;
/** Older ones are not counted. */
const SAME_MAX = 1_000;

/** HMAC-SHA256 of a text without its constants: it finds what was asked before, and tells nobody who lacks the key. */
export function alikeKey(secret: Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}

type Row = {
  readonly kind: string;
  readonly statement: string;
  readonly verdict: string | null;
  readonly body: string | null;
};

const Body = z.object({
  body: z.object({
    text: z.string().optional(),
    class: z.array(z.string()).optional(),
    ok: z.boolean().optional(),
    rows: z.number().optional(),
    code: z.string().optional(),
  }),
});

/** The last statements of a session, oldest first. What was not recorded yet is not among them. */
export async function ranBefore(sql: Sql, session: string): Promise<readonly Ran[]> {
  const { rows: last } = await sql.query<{ statement: string }>(
    `select statement from countersign.record_body
     where session = $1 and kind = 'statement' order by at desc limit ${LOOKED_AT}`,
    [session],
  );
  if (last.length === 0) return [];
  const order = last.map(({ statement }) => statement);
  // By their keys, so that it stays one look-up each however long the log is.
  const { rows } = await sql.query<Row>(
    `select kind, statement, verdict, case when length(body) < 65536 then body end as body
     from countersign.record_body
     where statement = any ($1) and kind in ('statement', 'claim', 'outcome')
     order by array_position($1::uuid[], statement), at`,
    [order],
  );
  const found = new Map<string, Ran>();
  for (const row of rows) {
    const said = bodyOf(row);
    const known = found.get(row.statement);
    if (row.kind !== 'statement') {
      if (known) found.set(row.statement, { ...known, ...became(row, said) });
    } else if (said.class?.some((each) => each.startsWith('countersign')) !== true)
      found.set(row.statement, {
        text: shortened(said.text ?? '(too long to be shown)'),
        verdict: row.verdict ?? 'allow',
      });
  }
  return [...found.values()].slice(0, SHOWN).toReversed();
}

function bodyOf({ body }: Row): z.infer<typeof Body>['body'] {
  return Body.safeParse(body === null ? undefined : JSON.parse(body)).data?.body ?? {};
}

function became(
  { kind, verdict }: Row,
  { ok, rows, code }: z.infer<typeof Body>['body'],
): Partial<Ran> {
  if (kind === 'claim') return { verdict: verdict ?? 'approved' };
  return {
    ...(ok !== undefined && { ok }),
    ...(rows !== undefined && { rows }),
    ...(code !== undefined && { code }),
  };
}

function shortened(text: string): string {
  const characters = Array.from(text);
  return characters.length <= TEXT_MAX ? text : `${characters.slice(0, TEXT_MAX).join('')} …`;
}

type Decided = {
  readonly approved: string;
  readonly denied: string;
  readonly last_approved: { readonly by: string[]; readonly at: string } | null;
  readonly last_denied: { readonly by: string[]; readonly at: string } | null;
};

/** What people decided about requests with this key; undefined when they never did. */
export async function decidedBefore(sql: Sql, alike: Buffer): Promise<Same | undefined> {
  const { rows } = await sql.query<Decided>(
    `with same as (
       select d.request, d.decision, max(d.at) as at,
         jsonb_agg(distinct d.person) as by
       from (select id, state from countersign.request where alike = $1 order by created_at desc limit ${SAME_MAX}) r
         join countersign.decision d on d.request = r.id
       where d.decision = 'deny' or r.state in ('approved', 'running', 'done', 'unknown')
       group by 1, 2)
     select count(*) filter (where decision = 'approve') as approved, count(*) filter (where decision = 'deny') as denied,
       (select jsonb_build_object('by', by, 'at', at) from same where decision = 'approve' order by at desc limit 1) as last_approved,
       (select jsonb_build_object('by', by, 'at', at) from same where decision = 'deny' order by at desc limit 1) as last_denied
     from same`,
    [alike],
  );
  const [row] = rows;
  const [approved, denied] = [Number(row?.approved ?? 0), Number(row?.denied ?? 0)];
  if (!row || approved + denied === 0) return undefined;
  return {
    approved,
    denied,
    ...(row.last_approved && { lastApproved: lastOf(row.last_approved) }),
    ...(row.last_denied && { lastDenied: lastOf(row.last_denied) }),
  };
}

const lastOf = ({ by, at }: { readonly by: readonly string[]; readonly at: string }) => ({
  by,
  at: new Date(at).toISOString(),
});
