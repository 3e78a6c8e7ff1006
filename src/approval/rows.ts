import { z } from 'zod';
import type { Sql } from '../store/database.ts';
import { AskedRow, EscalatedRow } from './asked-rows.ts';
import { GRANT, GrantRow } from './grant-rows.ts';
import type { Request } from './request.ts';

const RequirementRow = z.object({
  groups: z.array(AskedRow),
  expiresMs: z.number(),
  reasonRequired: z.boolean(),
  stepUpMs: z.number().exactOptional(),
  acr: z.array(z.string()).exactOptional(),
  amr: z.array(z.string()).exactOptional(),
  channels: z.array(z.string()),
  resendMs: z.number().exactOptional(),
  reactionsVote: z.boolean(),
  handOver: z.array(z.string()).exactOptional(),
  shapeMs: z.number().exactOptional(),
  count: z.literal(true).exactOptional(),
  sample: z.number().exactOptional(),
});

const RanRow = z.object({
  text: z.string(),
  verdict: z.string(),
  ok: z.boolean().exactOptional(),
  rows: z.number().exactOptional(),
  code: z.string().exactOptional(),
});

const DecidedRow = z.object({ by: z.array(z.string()), at: z.string() });
const SameRow = z.object({
  approved: z.number(),
  denied: z.number(),
  lastApproved: DecidedRow.exactOptional(),
  lastDenied: DecidedRow.exactOptional(),
});

const RowsRow = z.object({
  state: z.enum(['estimating', 'known', 'unknown']),
  why: z.string().exactOptional(),
  estimated: z.number().exactOptional(),
  counted: z.number().exactOptional(),
  sample: z
    .object({ columns: z.array(z.string()), keys: z.array(z.array(z.string())) })
    .exactOptional(),
});

const CardRow = z.object({
  person: z.object({ email: z.string(), name: z.string(), groups: z.array(z.string()) }),
  agent: z.string().exactOptional(),
  target: z.string(),
  database: z.string(),
  masked: z.string(),
  hidesWrite: z.boolean(),
  words: z.array(z.string()),
  rules: z.array(z.string()),
  message: z.string(),
  reason: z.string().exactOptional(),
  digest: z.string(),
  transactionOpenMs: z.number().exactOptional(),
  client: z.string(),
  application: z.string(),
  before: z.array(RanRow).exactOptional(),
  same: SameRow.exactOptional(),
  shape: z.object({ words: z.string(), ms: z.number() }).exactOptional(),
  access: z
    .object({
      role: z.string(),
      durationMs: z.number(),
      start: z.string(),
      waitsMs: z.number(),
      ends: z.enum(['cancel', 'finish']),
      reviewers: z.array(z.string()).exactOptional(),
    })
    .exactOptional(),
});

const OutcomeRow = z.object({
  ok: z.boolean(),
  rows: z.number().exactOptional(),
  durationMs: z.number().exactOptional(),
  code: z.string().exactOptional(),
});

export const State = z.enum([
  'pending',
  'approved',
  'granted',
  'running',
  'done',
  'unknown',
  'denied',
  'expired',
  'withdrawn',
  'abandoned',
  'changed',
  'refused',
]);

const time = z.coerce.date().transform((date) => date.toISOString());

const Via = z.enum(['api', 'console', 'slack', 'teams']);

const ReactionRow = z.object({
  platform: z.enum(['slack', 'teams']),
  channel: z.string(),
  message: z.string(),
  user: z.string(),
});

const QuestionRow = z
  .object({
    id: z.string(),
    text: z.string(),
    person: z.string(),
    via: Via,
    at: time,
    answer: z.string().nullable(),
    answered_via: Via.nullable(),
    answered_at: time.nullable(),
  })
  .transform(({ answer, answered_via: via, answered_at: at, ...asked }) => ({
    ...asked,
    ...(answer !== null && via !== null && at !== null && { answer: { text: answer, via, at } }),
  }));

const HandOverRow = z.object({
  group: z.string(),
  person: z.string(),
  via: Via,
  at: time,
  agrees: z.boolean(),
});

const ReminderRow = z.object({
  id: z.string(),
  person: z.string(),
  groups: z.array(z.string()),
  at: time,
});

const DecisionRow = z
  .object({
    person: z.string(),
    group: z.string(),
    decision: z.enum(['approve', 'deny']),
    reason: z.string(),
    via: Via,
    at: time,
    shape: z.boolean(),
    duration_ms: z.number().nullable(),
    reaction: ReactionRow.nullable(),
    stage: z.number(),
    stands_for: z.string().nullable(),
  })
  .transform(({ shape, duration_ms, reaction, stage, stands_for: standsFor, ...rest }) => ({
    ...rest,
    ...(stage > 1 && { stage }),
    ...(standsFor !== null && { standsFor }),
    ...(reaction && { reaction }),
    ...(shape && { shape }),
    ...(duration_ms !== null && { durationMs: duration_ms }),
  }));

const ShapeRow = z
  .object({
    ends_at: time,
    approvers: z.array(z.string()),
    revoked_at: time.nullable(),
    revoked_by: z.string().nullable(),
  })
  .transform(({ ends_at, approvers, revoked_at, revoked_by }) => ({
    until: ends_at,
    approvers,
    ...(revoked_at !== null && { revokedAt: revoked_at }),
    ...(revoked_by !== null && { revokedBy: revoked_by }),
  }));

const Row = z.object({
  id: z.string(),
  version: z.number(),
  state: State,
  kind: z.enum(['statement', 'access', 'break-glass']),
  gateway: z.string(),
  session: z.string().nullable(),
  statement: z.string().nullable(),
  requirement: RequirementRow,
  card: CardRow,
  decisions: z.array(DecisionRow),
  stage: z.number(),
  escalated: z.array(EscalatedRow),
  rows: RowsRow.nullable(),
  shape: ShapeRow.nullable(),
  questions: z.array(QuestionRow).nullable(),
  handed_over: z.array(HandOverRow).nullable(),
  reminded: ReminderRow.nullable(),
  quiet_from: z.number().nullable(),
  quiet_to: z.number().nullable(),
  access_grant: GrantRow.nullable(),
  outcome: OutcomeRow.nullable(),
  record: z.string(),
  created_at: time,
  expires_at: time,
  ended_at: time.nullable(),
  traceparent: z.string().nullable(),
  overdue: z.boolean(),
  now: z.coerce.date().transform((date) => date.getTime()),
});

export const SELECT = `select r.id, r.version, r.state, r.kind, r.gateway, r.session, r.statement, r.requirement, r.card,
    r.outcome, r.record, r.created_at, r.expires_at, r.ended_at, r.traceparent, r.expires_at <= clock_timestamp() as overdue, clock_timestamp() as now, r.stage, r.escalated,
    r.rows, (select to_jsonb(s) from countersign.shape s where s.request = r.id) as shape,
    (select jsonb_agg(to_jsonb(q) order by q.at) from countersign.question q where q.request = r.id) as questions,
    (select jsonb_agg(to_jsonb(h) order by h.at) from countersign.hand_over h where h.request = r.id) as handed_over,
    (select to_jsonb(m) from countersign.reminder m where m.request = r.id order by m.at desc limit 1) as reminded,
    r.quiet_from, r.quiet_to, (select to_jsonb(g) from (${GRANT} where g.request = r.id) g) as access_grant,
    coalesce((select jsonb_agg(to_jsonb(d) order by d.at) from countersign.decision d where d.request = r.id), '[]') as decisions
  from countersign.request r`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A request as the store has it; `overdue` is its expiry by the database's clock. */
export type Found = {
  readonly request: Request;
  readonly overdue: boolean;
  /** By the database's clock, in milliseconds since the epoch. */
  readonly now: number;
};

/** Undefined for an id that nothing has, also for one that is no UUID. */
export async function findRequest(sql: Sql, id: string): Promise<Found | undefined> {
  if (!UUID.test(id)) return undefined;
  const { rows } = await sql.query(`${SELECT} where r.id = $1`, [id]);
  return rows[0] === undefined ? undefined : readRow(rows[0]);
}

/** What the store gave for `SELECT`. */
export function readRow(row: unknown): Found {
  const {
    outcome,
    rows,
    shape,
    created_at,
    expires_at,
    ended_at,
    traceparent,
    overdue,
    now,
    ...more
  } = Row.parse(row);
  const { session, statement, access_grant: grant, ...kept } = more;
  const { questions, handed_over, reminded, quiet_from, quiet_to, ...rest } = kept;
  const talked = { questions, handed_over, reminded, quiet_from, quiet_to };
  const request: Request = {
    ...rest,
    ...(session !== null && { session }),
    ...(statement !== null && { statement }),
    ...(grant ? { grant } : {}),
    ...(rows ? { rows } : {}),
    ...(shape ? { shape } : {}),
    ...talkedOf(talked, rest.version),
    ...(outcome ? { outcome } : {}),
    createdAt: created_at,
    expiresAt: expires_at,
    ...(ended_at ? { endedAt: ended_at } : {}),
    ...(traceparent ? { traceparent } : {}),
  };
  return { request, overdue, now };
}

type Talked = Pick<
  z.output<typeof Row>,
  'questions' | 'handed_over' | 'reminded' | 'quiet_from' | 'quiet_to'
>;

/** What was said about it. Any other step since then ends the quiet. */
const talkedOf = (
  { questions, handed_over, reminded, quiet_from, quiet_to }: Talked,
  version: number,
): Partial<Request> => ({
  ...(questions ? { questions } : {}),
  ...(handed_over ? { handedOver: handed_over } : {}),
  ...(reminded ? { reminded } : {}),
  ...(quiet_from !== null && quiet_to === version ? { quietFrom: quiet_from } : {}),
});

/** The console of the gateway that holds this request's statement, if that is another address than `own`. */
export async function consoleOfHolder(
  sql: Sql,
  id: string,
  own: string,
): Promise<string | undefined> {
  const { rows } = await sql.query<{ console: string }>(
    `select g.console from countersign.request r join countersign.gateway g on g.name = r.gateway
       where r.id = $1 and g.console <> $2`,
    [id, own],
  );
  return rows[0]?.console;
}
