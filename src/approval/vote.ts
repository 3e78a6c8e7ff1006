import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Directory, Person } from '../identity/person.ts';
import type { Database } from '../store/database.ts';
import { demandActive, Gone } from './active.ts';
import { Moved, entryFor, move } from './moves.ts';
import type { Decided, Vote } from './port.ts';
import type { Hint } from './queue.ts';
import { NOT_FOUND, refusalOf } from './refusal.ts';
import type { Refusal, Request, RequestState } from './request.ts';
import { findRequest } from './rows.ts';
import { grantShape } from './shapes.ts';
import { type Tally, authority, sameKey, tally } from './tally.ts';

const TRIES = 5;

type Parts = { readonly db: Database; readonly audit: AuditLog; readonly directory: Directory };

/** What a vote does to a request that has not moved since it was read. */
type Plan = {
  readonly to: RequestState;
  readonly group: string;
  readonly tally: Tally;
  /** Who together let the same run again; undefined while they are too few. */
  readonly shape?: readonly string[];
};

/**
 * Takes one vote: read, judge, then compare-and-set with the vote and its record in one transaction; reads again when
 * somebody else was faster. `hint` is set when something changed. Rejects when the directory, the log or the store fails.
 */
export async function takeVote(
  parts: Parts,
  id: string,
  asked: Person,
  cast: Vote,
): Promise<{ readonly decided: Decided; readonly hint?: Hint }> {
  const vote = { ...cast, reason: harmless(cast.reason) };
  const gone = new Set<string>();
  // What the directory remembers may be a moment old; the store's word at the vote is not.
  const directory: Directory = {
    find: async (email) => (gone.has(sameKey(email)) ? undefined : parts.directory.find(email)),
  };
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const found = await findRequest(parts.db.pool, id);
    if (!found) return { decided: { ok: false, refusal: NOT_FOUND } };
    const { request } = found;
    // The caller's Person may be minutes old; only what the directory says now gives authority.
    const person = await directory.find(asked.email);
    const refusal = refusalOf(request, found.overdue, person, vote);
    if (refusal || !person) {
      const why = refusal ?? NOT_FOUND;
      parts.audit.later(refused(request, asked, vote, why));
      return { decided: { ok: false, refusal: why, request } };
    }
    const plan = await weigh(directory, request, person, vote);
    const hint = await commit(parts.audit, request, person, vote, plan).catch((error: unknown) => {
      if (!(error instanceof Gone)) throw error;
      for (const email of error.people) gone.add(email);
    });
    if (!hint) continue;
    const after = await findRequest(parts.db.pool, id);
    return { decided: { ok: true, request: after?.request ?? request }, hint };
  }
  throw new Error(
    `the request ${id} changed ${TRIES} times while the vote was taken; decide again`,
  );
}

async function weigh(
  directory: Directory,
  request: Request,
  person: Person,
  vote: Vote,
): Promise<Plan> {
  const { groups } = request.requirement;
  const own = authority(groups, person)[0] ?? '';
  // Earlier approvals count with the groups their persons have now, so a removed group takes its vote along.
  const approved = request.decisions.filter((decision) => decision.decision === 'approve');
  const earlier = await Promise.all(approved.map((decision) => directory.find(decision.person)));
  const approvals = [...earlier.filter((voter) => voter !== undefined), person];
  const count = tally(groups, approvals, request.card.person.email);
  if (vote.decision === 'deny') return { to: 'denied', group: own, tally: count };
  const before = earlier.filter((voter, i) => voter !== undefined && approved[i]?.shape === true);
  const shape = tally(
    groups,
    [...before, vote.shape === true ? person : undefined].filter((voter) => voter !== undefined),
    request.card.person.email,
  );
  return {
    to: count.satisfied ? 'approved' : 'pending',
    group: count.counted.get(sameKey(person.email)) ?? own,
    tally: count,
    // Whoever approved only this one statement does not count for the same again.
    ...(count.satisfied && shape.satisfied && { shape: [...shape.counted.keys()] }),
  };
}

/** The hint for chat, or undefined when the request had moved. */
async function commit(
  audit: AuditLog,
  request: Request,
  person: Person,
  vote: Vote,
  plan: Plan,
): Promise<Hint | undefined> {
  const key = sameKey(person.email);
  const entry = entryFor(
    request,
    'decision',
    {
      decision: vote.decision,
      reason: vote.reason,
      via: vote.via,
      group: plan.group,
      version: request.version,
      state: plan.to,
      missing: plan.tally.missing,
      ...shownRows(request),
      ...(vote.shape === true && { shape: true }),
      ...(plan.shape && { shapeMs: request.requirement.shapeMs ?? 0 }),
    },
    key,
  );
  let hint: Hint | undefined;
  try {
    await audit.append(entry, async (sql, record) => {
      await demandActive(sql, [key, ...plan.tally.counted.keys()]);
      hint = await move(sql, {
        id: request.id,
        from: ['pending'],
        to: plan.to,
        version: request.version,
        unexpired: true,
      });
      await sql.query(
        `insert into countersign.decision (request, person, "group", decision, reason, via, record, shape)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (request, person) do update set decision = excluded.decision, "group" = excluded."group",
           reason = excluded.reason, via = excluded.via, record = excluded.record, at = excluded.at, shape = excluded.shape`,
        [
          request.id,
          key,
          plan.group,
          vote.decision,
          vote.reason,
          vote.via,
          record,
          vote.shape === true,
        ],
      );
      if (plan.shape) await grantShape(sql, request, plan.shape);
      if (vote.decision === 'deny') return;
      for (const [email, group] of plan.tally.counted)
        await sql.query(
          'update countersign.decision set "group" = $3 where request = $1 and person = $2',
          [request.id, email, group],
        );
    });
  } catch (error) {
    if (error instanceof Moved) return undefined;
    throw error;
  }
  return hint;
}

/** What the card said of rows when this was decided. */
function shownRows({ rows }: Request): JsonObject {
  if (rows?.state !== 'known') return {};
  const { estimated, counted } = rows;
  return {
    rows: {
      ...(counted !== undefined && { counted }),
      ...(estimated !== undefined && { estimated }),
    },
  };
}

function refused(request: Request, person: Person, vote: Vote, why: Refusal) {
  return entryFor(
    request,
    'request',
    { event: 'vote-refused', decision: vote.decision, via: vote.via, code: why.code },
    sameKey(person.email),
  );
}

/** Whichever door it came through: the requester's terminal prints it as it is, so nothing in it may command one. */
function harmless(reason: string): string {
  return reason
    .toWellFormed()
    .replaceAll(/\r\n?/gu, '\n')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '\uFFFD');
}
