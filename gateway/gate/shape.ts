import { NotClaimed } from '#src/approval/port.ts';
import type { Request } from '#src/approval/request.ts';
import type { Entry } from '#src/audit/log.ts';
import type { Hold } from '#src/policy/verdict.ts';
import { covers, type Held } from './again.ts';
import type { Admitted, GateDeps } from './asked.ts';
import { issuePermit } from './permit.ts';
import { statementEntry } from './record.ts';
import { limited } from './rows.ts';

/** What could be approved with it. It is looked at past every cache, as before a claim. */
export async function shaped(held: Held): Promise<Held> {
  const { asked, verdict } = held;
  if (verdict.requirement.shapeMs === undefined || !asked.particulars) return held;
  const look = await asked.lookAgain();
  if (!look.digest.equals(asked.look.digest)) return held;
  return { ...held, shape: await asked.particulars.shape(look) };
}

/**
 * Lets a held statement run when its shape was approved and still holds: the same person, place, settings and
 * definitions, held by the same rules. Its record names the request that it rests on, and commits only while the
 * approval lives. Undefined: somebody has to be asked.
 */
export async function onShape(deps: GateDeps, held: Held): Promise<Admitted | undefined> {
  const { asked, statement, verdict, policy, shape } = held;
  if (!shape) return undefined;
  const { session } = asked;
  const { person, agent, target } = session;
  const by = {
    person,
    target: target.name,
    digest: shape.digest,
    ...(agent !== undefined && { agent }),
  };
  const request = await deps.requests.findShape(by, (one) => suits(one, verdict));
  // The rules may have changed since they were asked.
  if (!request || deps.policy() !== policy || asked.signal.aborted) return undefined;
  try {
    const receipt = await deps.requests.runOnShape(request, entryOn(held, request));
    const obligations = limited(verdict, request);
    return { kind: 'run', permit: issuePermit(statement, asked.look.digest, receipt, obligations) };
  } catch (error) {
    if (error instanceof NotClaimed) return undefined;
    throw error;
  }
}

/** Approved under the rules that hold it now, and at least as strictly. */
function suits({ card, requirement }: Request, verdict: Hold): boolean {
  const before = new Set(card.rules);
  const same = before.size === verdict.rules.length && verdict.rules.every((id) => before.has(id));
  return same && covers(requirement, verdict.requirement);
}

function entryOn({ asked, statement, verdict, policy, subject }: Held, request: Request): Entry {
  const { digest } = asked.look;
  const entry = statementEntry({
    asked,
    statement,
    verdict: { ...verdict, kind: 'allow' },
    policy,
    subject,
    binds: { digest, verdict: 'approved' },
  });
  return { ...entry, verdict: 'approved', body: { approval: request.id, ...entry.body } };
}
