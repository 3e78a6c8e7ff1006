import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Directory, Person } from '../identity/person.ts';
import type { Database } from '../store/database.ts';
import { grant } from './access.ts';
import { demandActive, Gone } from './active.ts';
import { demandAway } from './away.ts';
import { approvalsOf, countOf } from './count.ts';
import { nextTurn } from './turns.ts';
import { Moved, entryFor, move } from './moves.ts';
import type { Decided, Vote } from './port.ts';
import type { Hint } from './queue.ts';
import { NOT_FOUND, refusalOf } from './refusal.ts';
import type { Refusal, Request, RequestState } from './request.ts';
import { findRequest, type Found } from './rows.ts';
import { grantShape } from './shapes.ts';
import { type Tally, authority, sameKey } from './tally.ts';

const TRIES = 5;

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: Directory;
  /** Why the rules, as they are now, do not let the role be granted any more. */
  readonly refusesRole: (request: Request) => Promise<string | undefined>;
};

/** What a vote does to a request that has not moved since it was read. */
type Plan = {
  readonly to: RequestState;
  readonly group: string;
  /** The stage that was asked when it was given. */
  readonly stage: number;
  readonly tally: Tally;
  /** Who together let the same run again; undefined while they are too few. */
  readonly shape?: readonly string[];
  /** The role is granted, for no longer than this. */
  readonly grantMs?: number;
  /** Why the rules do not let it be granted any more. */
  readonly refused?: string;
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
    find: async (email) =>
      gone.has(sameKey(email)) ? undefined : without(gone, await parts.directory.find(email)),
  };
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const found = await findRequest(parts.db.pool, id);
    if (!found) return { decided: { ok: false, refusal: NOT_FOUND } };
    const { request } = found;
    // The caller's Person may be minutes old; only what the directory says now gives authority.
    const person = await directory.find(asked.email);
    const tally = await weighed(directory, found, person);
    const refusal = refusalOf(found, tally, person, vote);
    if (refusal || !person || !tally) {
      const why = refusal ?? NOT_FOUND;
      parts.audit.later(refused(request, asked, vote, why));
      return { decided: { ok: false, refusal: why, request } };
    }
    const plan = await grants(
      parts,
      request,
      vote,
      await weigh(directory, found, tally, person, vote),
    );
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

/** The same person without what they have through somebody who is gone, or back. */
function without(gone: ReadonlySet<string>, person: Person | undefined): Person | undefined {
  if (!person?.stands || gone.size === 0) return person;
  const stands = person.stands.filter(
    (one) => one.for === undefined || !gone.has(sameKey(one.for)),
  );
  return { ...person, stands };
}

/** What was there before this vote; undefined for a person who is nobody. */
async function weighed(
  directory: Directory,
  { request, now }: Found,
  person: Person | undefined,
): Promise<Tally | undefined> {
  return person && countOf(request, await approvalsOf(directory, request), now);
}

async function weigh(
  directory: Directory,
  { request, now }: Found,
  before: Tally,
  person: Person,
  vote: Vote,
): Promise<Plan> {
  const own = authority(request, person)[0] ?? '';
  const stage = before.stage ?? 1;
  if (vote.decision === 'deny') return { to: 'denied', group: own, stage, tally: before };
  const voter = { ...person, stage };
  const count = countOf(request, [...(await approvalsOf(directory, request)), voter], now);
  // Whoever approved only this one statement does not count for the same again.
  const same = await approvalsOf(directory, request, (decision) => decision.shape === true);
  const shape = countOf(request, vote.shape === true ? [...same, voter] : same, now);
  return {
    to: count.satisfied ? 'approved' : 'pending',
    group: count.counted.get(sameKey(person.email)) ?? own,
    stage,
    tally: count,
    ...(count.satisfied && shape.satisfied && { shape: [...shape.counted.keys()] }),
  };
}

/** A role is granted with the vote that satisfies the last, unless rules have changed since it was asked for. */
async function grants(parts: Parts, request: Request, vote: Vote, plan: Plan): Promise<Plan> {
  if (request.kind === 'statement' || plan.to !== 'approved') return plan;
  const why = await parts.refusesRole(request);
  if (why !== undefined) return { ...plan, to: 'refused', refused: why };
  const counted = request.decisions.filter(({ person }) => plan.tally.counted.has(person));
  const lengths = [vote, ...counted].flatMap(({ durationMs }) => durationMs ?? []);
  const asked = request.card.access?.durationMs ?? 0;
  return { ...plan, to: 'granted', grantMs: Math.min(asked, ...lengths) };
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
  const standing = plan.tally.standing.get(key);
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
      ...(plan.stage > 1 && { stage: plan.stage }),
      ...(standing !== undefined && { standsFor: standing }),
      ...shownRows(request),
      ...(vote.shape === true && { shape: true }),
      ...(vote.reaction && { reaction: true }),
      ...(plan.shape && { shapeMs: request.requirement.shapeMs ?? 0 }),
      ...(vote.durationMs !== undefined && { durationMs: vote.durationMs }),
      ...(plan.grantMs !== undefined && { grantMs: plan.grantMs }),
      ...(plan.refused !== undefined && { refused: plan.refused }),
    },
    key,
  );
  let hint: Hint | undefined;
  try {
    await audit.append(entry, async (sql, record) => {
      await demandActive(sql, [key, ...plan.tally.counted.keys(), ...plan.tally.standing.values()]);
      await demandAway(sql, plan.tally.standing);
      hint = await move(sql, {
        id: request.id,
        from: ['pending'],
        to: plan.to,
        version: request.version,
        unexpired: true,
      });
      await sql.query(
        `insert into countersign.decision (request, person, "group", decision, reason, via, record, shape, duration_ms, reaction, stage)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (request, person) do update set decision = excluded.decision, "group" = excluded."group",
           reason = excluded.reason, via = excluded.via, record = excluded.record, at = excluded.at, shape = excluded.shape, duration_ms = excluded.duration_ms,
           reaction = excluded.reaction, stage = excluded.stage`,
        [
          request.id,
          key,
          plan.group,
          vote.decision,
          vote.reason,
          vote.via,
          record,
          vote.shape === true,
          vote.durationMs ?? null,
          vote.reaction ? JSON.stringify(vote.reaction) : null,
          plan.stage,
        ],
      );
      if (plan.grantMs !== undefined) await grant(sql, request, plan.grantMs);
      if (plan.shape) await grantShape(sql, request, plan.shape);
      if (vote.decision === 'deny') return;
      for (const [email, group] of plan.tally.counted)
        await sql.query(
          'update countersign.decision set "group" = $3, stands_for = $4 where request = $1 and person = $2',
          [request.id, email, group, plan.tally.standing.get(email) ?? null],
        );
      if (plan.to === 'pending') await nextTurn(sql, request, plan.tally.stage);
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
export function harmless(reason: string): string {
  return reason
    .toWellFormed()
    .replaceAll(/\r\n?/gu, '\n')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '\uFFFD');
}
