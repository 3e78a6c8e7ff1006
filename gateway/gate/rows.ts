import type { Request, Rows } from '#src/approval/request.ts';
import type { Obligations, Requirement } from '#src/policy/verdict.ts';
import type { Held } from './again.ts';
import type { Asked, GateDeps } from './asked.ts';

/** For rules that ask how many rows a statement would touch: known before the verdict, or not at all. */
export async function estimateFirst({ particulars, look }: Asked): Promise<Rows | undefined> {
  return await particulars?.rows(look, {});
}

const wants = ({ count, sample }: Requirement): boolean => count === true || sample !== undefined;

/** What the request says of rows as long as nothing more is known. */
export function rowsAtFirst({ asked, rows, verdict }: Held): Rows | undefined {
  if (!asked.particulars || asked.look.refused) return undefined;
  if (rows && !wants(verdict.requirement)) return rows;
  const { estimated } = rows ?? {};
  return { state: 'estimating', ...(estimated !== undefined && { estimated }) };
}

/** Finds out about rows while the statement waits. The hold does not wait for it; a failure leaves the card as it is. */
export function tellRows(deps: GateDeps, held: Held, request: Request): void {
  const { asked, rows, verdict } = held;
  const { count, sample } = verdict.requirement;
  if (request.rows?.state !== 'estimating' || !asked.particulars) return;
  asked.particulars
    .rows(asked.look, {
      request: request.id,
      known: rows,
      ...(count && { count }),
      ...(sample !== undefined && { sample }),
    })
    .then((found) => deps.requests.tellRows(request.id, found))
    .catch(deps.onFailure);
}

/** An exact count that approvers were shown is the most that the statement may change. */
export function limited<T extends Obligations>(obligations: T, { rows, card }: Request): T {
  const counted = rows?.counted;
  if (counted === undefined || counted >= (obligations.changes ?? Infinity)) return obligations;
  return { ...obligations, changes: counted, limitedBy: card.rules };
}
