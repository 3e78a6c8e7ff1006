import type { AuditLog } from '../audit/log.ts';
import type { Directory } from '../identity/person.ts';
import type { Database, Sql } from '../store/database.ts';
import { countNow } from './count.ts';
import { announce, entryFor, Moved } from './moves.ts';
import type { Hint } from './queue.ts';
import type { Request } from './request.ts';
import { findRequest } from './rows.ts';
import { dueSteps } from './turns.ts';

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: Directory;
  readonly tell: (hint: Hint | undefined) => void;
};

const DUE = `select id, (extract(epoch from clock_timestamp() - coalesce(stage_at, created_at)) * 1000)::float8 as passed_ms
  from countersign.request
  where state = 'pending' and escalate_at <= clock_timestamp() and expires_at > clock_timestamp()
  order by escalate_at limit 100`;

/**
 * Lets others decide as well where nobody has for so long, by the database's clock. Any number of processes may look: each
 * step is a compare-and-set with its record and its outbox row in one transaction, so it happens once, and after a
 * restart. It never lengthens the time that a request has.
 */
export async function escalateDue(parts: Parts, stopped: () => boolean): Promise<void> {
  const { rows } = await parts.db.pool.query<{ id: string; passed_ms: number }>(DUE);
  for (const { id, passed_ms: passedMs } of rows) {
    if (stopped()) return;
    // oxlint-disable-next-line no-await-in-loop -- hardly ever more than one
    await escalate(parts, id, passedMs);
  }
}

async function escalate(parts: Parts, id: string, passedMs: number): Promise<void> {
  const found = await findRequest(parts.db.pool, id);
  if (!found || found.request.state !== 'pending') return;
  const { request, now } = found;
  const { due, nextMs } = dueSteps(request, passedMs);
  const { missing } = await countNow(parts.directory, request, now);
  // Whoever has agreed already is not passed over; of a group that stands elsewhere by its hours all is missing.
  const agreed = due.filter((step) => !isMissing(request, missing, step.of, step.stage));
  const steps = due.filter((step) => !agreed.includes(step));
  if (steps.length === 0) return await later(parts.db.pool, request, nextMs);
  const to = [...new Set(steps.map(({ group }) => group))];
  const of = [...new Set(steps.map((step) => step.of))];
  const body = { event: 'escalated', of, to, stage: request.stage ?? 1 };
  let hint: Hint | undefined;
  try {
    await parts.audit.append(entryFor(request, 'request', body), async (sql) => {
      const { rows } = await sql.query<{ version: number }>(
        `update countersign.request set version = version + 1, escalated = escalated ||
             (select jsonb_agg(step || jsonb_build_object('at', clock_timestamp())) from jsonb_array_elements($3::jsonb) step),
           ${NEXT} where id = $1 and state = 'pending' and version = $2 and expires_at > clock_timestamp()
         returning version`,
        [id, request.version, JSON.stringify(steps), nextMs],
      );
      const [row] = rows;
      if (!row) throw new Moved(`request ${id} is not what was read`);
      hint = await announce(sql, id, row.version);
    });
  } catch (error) {
    if (!(error instanceof Moved)) throw error;
  }
  parts.tell(hint);
}

const NEXT = `escalate_at = coalesce(stage_at, created_at) + $4::float8 * interval '1 millisecond'`;

/** Nothing was escalated: looks again when the next step is due. */
async function later(sql: Sql, { id, version }: Request, nextMs: number | null): Promise<void> {
  await sql.query(
    `update countersign.request set ${NEXT.replace('$4', '$3')} where id = $1 and version = $2 and state = 'pending'`,
    [id, version, nextMs],
  );
}

function isMissing(
  { requirement }: Request,
  missing: Request['requirement']['groups'],
  group: string,
  stage: number,
): boolean {
  const names = requirement.groups.flatMap((asked) =>
    asked.group === group && (asked.stage ?? 1) === stage
      ? [group, ...(asked.hours ? [asked.hours.outside] : [])]
      : [],
  );
  return missing.some((one) => (one.stage ?? 1) === stage && names.includes(one.group));
}
