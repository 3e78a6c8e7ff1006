import type { Sql } from '../store/database.ts';
import { firstEscalation, firstStage, stageOf } from './asked.ts';
import type { Request } from './request.ts';

type Asks = Pick<Request, 'requirement'>;

/** What a request is opened with: the stage that is asked first, and after how long something of it is escalated. */
export function firstTurn({ requirement: { groups } }: Asks): {
  readonly stage: number;
  readonly escalateMs: number | null;
} {
  const stage = firstStage(groups);
  return { stage, escalateMs: firstEscalation(groups, stage) ?? null };
}

/** Asks the next stage, from now on, where the vote of this transaction has satisfied the one before. */
export async function nextTurn(
  sql: Sql,
  { id, requirement, stage = 1 }: Pick<Request, 'id' | 'stage'> & Asks,
  next: number | undefined,
): Promise<void> {
  if (next === undefined || next <= stage) return;
  await sql.query(
    `update countersign.request set stage = $2, stage_at = clock_timestamp(),
       escalate_at = clock_timestamp() + $3::float8 * interval '1 millisecond' where id = $1`,
    [id, next, firstEscalation(requirement.groups, next) ?? null],
  );
}

/** Steps of the stage that is asked which are due after that many milliseconds of its turn, and when the next one is. */
export function dueSteps(
  { requirement, stage = 1, escalated = [] }: Pick<Request, 'stage' | 'escalated'> & Asks,
  passedMs: number,
) {
  const steps = requirement.groups
    .filter((asked) => stageOf(asked) === stage)
    .flatMap((asked) =>
      (asked.escalate ?? []).map((step) => ({ ...step, of: asked.group, stage })),
    );
  const done = (step: (typeof steps)[number]): boolean =>
    escalated.some(
      (one) =>
        one.of === step.of &&
        one.stage === stage &&
        one.group === step.group &&
        one.afterMs === step.afterMs,
    );
  const later = steps.filter(({ afterMs }) => afterMs > passedMs).map(({ afterMs }) => afterMs);
  return {
    due: steps.filter((step) => step.afterMs <= passedMs && !done(step)),
    nextMs: later.length > 0 ? Math.min(...later) : null,
  };
}
