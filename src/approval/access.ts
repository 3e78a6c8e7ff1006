import { randomUUID } from 'node:crypto';
import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Person } from '../identity/person.ts';
import type { Access } from '../policy/verdict.ts';
import type { Requirement } from '../policy/verdict.ts';
import type { Database, Sql } from '../store/database.ts';
import { demandActive } from './active.ts';
import { CHANGED } from './grants.ts';
import { announce, entryFor, move, Moved } from './moves.ts';
import type { Hint } from './queue.ts';
import type { AskedRole, Card, Refusal, Request } from './request.ts';
import { findRequest } from './rows.ts';
import { stepUpRefusal, type StepUp } from './step-up.ts';
import { sameKey } from './tally.ts';
import { firstTurn } from './turns.ts';

/** A role that somebody asks for, with what the rules said to it; a verdict that denies never comes here. */
export type NewAccess = {
  readonly kind: 'access' | 'break-glass';
  readonly person: Person;
  readonly target: string;
  readonly role: string;
  readonly durationMs: number;
  /** ISO 8601; absent: as the rule says. */
  readonly startsAt?: string;
  readonly reason: string;
  readonly access: Exclude<Access, { kind: 'deny' }>;
  /** Version of the rules. */
  readonly policy: string;
  /** Where they ask from, and with what. */
  readonly client: string;
  readonly application: string;
};

/** The person waits for the same role already, or has just asked for it through another door. */
export class AlreadyAsked extends Error {
  override name = 'AlreadyAsked';
  readonly request: string;
  constructor(request: string) {
    super('the same role is asked for already');
    this.request = request;
  }
}

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly tell: (hint: Hint | undefined) => void;
};

/** Who breaks the glass may take as long as this to sign in anew. */
const GLASS_MS = 600_000;

const NOBODY = { reasonRequired: false, reactionsVote: false } as const;

/** What must happen before it is granted: the approval of others, a sign-in of one's own, or nothing. */
function requirementOf({ kind, access }: NewAccess): Requirement {
  if (access.kind === 'hold') return { ...access.requirement, channels: access.terms.channels };
  const { fresh, channels } = access.terms;
  const asked = kind === 'break-glass' ? fresh : undefined;
  return {
    ...NOBODY,
    groups: [],
    expiresMs: GLASS_MS,
    channels,
    ...(asked && {
      stepUpMs: asked.ageMs,
      ...(asked.acr !== undefined && { acr: [asked.acr] }),
      ...(asked.amr && { amr: asked.amr }),
    }),
  };
}

function roleOf({ kind, role, durationMs, startsAt, access }: NewAccess): AskedRole {
  const { start, waitsMs, ends, reviewers } = access.terms;
  const glass = kind === 'break-glass';
  return {
    role,
    durationMs,
    // Who breaks the glass needs it now.
    start: glass ? 'approval' : (startsAt ?? start),
    waitsMs,
    ends,
    ...(glass && { reviewers }),
  };
}

/** `90m`, `2h`, `1h 30m` */
export function lengthOf(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  const parts = [`${Math.floor(minutes / 60)}h`, `${minutes % 60}m`];
  return parts.filter((part) => !part.startsWith('0')).join(' ');
}

function cardOf(asked: NewAccess): Card {
  const { kind, person, target, access, reason } = asked;
  const role = roleOf(asked);
  const { email, name, groups } = person;
  const length = lengthOf(role.durationMs);
  const verb = kind === 'break-glass' ? 'breaks the glass for' : 'asks for';
  return {
    person: { email, name, groups },
    target,
    database: '',
    masked: '',
    hidesWrite: false,
    words: [`${verb} the role ${role.role} on ${target}, for ${length}`],
    rules: access.rules,
    message: access.kind === 'hold' ? access.message : '',
    reason,
    digest: '',
    client: asked.client,
    application: asked.application,
    access: role,
  };
}

/**
 * Opens the request: granted at once where nobody has to agree, with the grant in the same transaction; else it waits.
 * Rejects with AlreadyAsked when the same waits already, with Gone when the person was let go meanwhile, and with
 * NotRecorded when the log did not take it.
 */
export async function askAccess(parts: Parts, asked: NewAccess): Promise<Request> {
  const id = randomUUID();
  const requirement = requirementOf(asked);
  const card = cardOf(asked);
  const at = asked.access.kind === 'allow' && requirement.stepUpMs === undefined;
  const { kind, person, target } = asked;
  const turn = firstTurn({ requirement });
  let hint: Hint | undefined;
  await parts.audit.append(
    {
      kind: 'request',
      request: id,
      person: person.email,
      target,
      body: {
        event: at ? 'granted' : 'asked',
        kind,
        ...roleBody(card.access),
        reason: asked.reason,
        rules: card.rules,
        policy: asked.policy,
        client: asked.client,
        ...(at ? {} : { requirement }),
      },
    },
    async (sql, record) => {
      await demandFirst(sql, asked);
      await demandActive(sql, [sameKey(person.email)]);
      await sql.query(
        `insert into countersign.request (id, state, kind, gateway, epoch, person, requirement, card, record, expires_at, ended_at,
           stage, escalate_at)
         values ($1, $2, $3, '', 0, $4, $5, $6, $7, clock_timestamp() + $8 * interval '1 millisecond',
           case when $9 then clock_timestamp() end, $10, clock_timestamp() + $11::float8 * interval '1 millisecond')`,
        [
          id,
          at ? 'granted' : 'pending',
          kind,
          person.email,
          JSON.stringify(requirement),
          JSON.stringify(card),
          record,
          requirement.expiresMs,
          at,
          turn.stage,
          turn.escalateMs,
        ],
      );
      if (at) await grant(sql, { id, kind, card });
      hint = await announce(sql, id, 1);
    },
  );
  parts.tell(hint);
  const found = await findRequest(parts.db.pool, id);
  if (!found) throw new Error(`the request ${id} is not in the store after it was opened`);
  return found.request;
}

/** Two that come at once, through whatever door: one after the other, and the second finds the first. */
async function demandFirst(sql: Sql, { person, target, role }: NewAccess): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(hashtext('countersign ask'), hashtext($1))`, [
    sameKey(person.email),
  ]);
  const { rows } = await sql.query<{ id: string }>(
    `select id from countersign.request where state = 'pending' and kind <> 'statement' and lower(person) = $1
       and card->>'target' = $2 and card->'access'->>'role' = $3`,
    [sameKey(person.email), target, role],
  );
  if (rows[0]) throw new AlreadyAsked(rows[0].id);
}

const roleBody = (role: AskedRole | undefined): JsonObject =>
  role ? { role: role.role, durationMs: role.durationMs, start: role.start, ends: role.ends } : {};

/**
 * In the transaction that grants the request: the grant as it was asked, for no longer than `mostMs`. It starts at its
 * first use, at the time that was asked (now, if that has passed), or now.
 */
export async function grant(
  sql: Sql,
  { id, kind, card }: Pick<Request, 'id' | 'kind' | 'card'>,
  mostMs = Infinity,
): Promise<void> {
  const role = card.access;
  if (!role) throw new Error(`the request ${id} does not ask for a role`);
  const waits = role.start === 'use';
  const at = waits || role.start === 'approval' ? null : role.start;
  await sql.query(
    `insert into countersign.access_grant
       (id, request, kind, person, target, role, duration_ms, ends, reviewers, use_by, starts_at, begun_at, ends_at)
     select $1, $2, $3, $4, $5, $6, $7::bigint, $8, $9,
       case when $10::bool then clock_timestamp() + $11::bigint * interval '1 millisecond' end,
       case when not $10 then start end,
       case when not $10 and start <= clock_timestamp() then start end,
       case when not $10 then start + $7 * interval '1 millisecond' end
     from (select greatest(clock_timestamp(), $12::timestamptz) as start) s`,
    [
      randomUUID(),
      id,
      kind,
      sameKey(card.person.email),
      card.target,
      role.role,
      Math.min(role.durationMs, mostMs),
      role.ends,
      role.reviewers ?? [],
      waits,
      role.waitsMs,
      at,
    ],
  );
  await sql.query('select pg_notify($1, $2)', [CHANGED, sameKey(card.person.email)]);
}

/** Break-glass that asked for a fresh sign-in of whoever takes it: grants it behind one. Undefined: granted. */
export async function breakGlass(
  parts: Parts,
  request: Request,
  stepUp: StepUp,
): Promise<Refusal | undefined> {
  const refusal = stepUpRefusal(request, stepUp);
  if (refusal) return refusal;
  let hint: Hint | undefined;
  const body = { event: 'granted', kind: request.kind, ...roleBody(request.card.access) };
  try {
    await parts.audit.append(entryFor(request, 'request', body), async (sql) => {
      await demandActive(sql, [sameKey(request.card.person.email)]);
      hint = await move(sql, { id: request.id, from: ['pending'], to: 'granted', unexpired: true });
      await grant(sql, request);
    });
  } catch (error) {
    if (!(error instanceof Moved)) throw error;
    return { code: 'already-decided', message: 'This is not open any more. Ask again.' };
  }
  parts.tell(hint);
  return undefined;
}
