import { randomUUID } from 'node:crypto';
import { personKey } from '../../identity/people.ts';
import type { Database, Sql } from '../../store/database.ts';
import { installationSecret } from '../../store/secrets.ts';
import type { AuditLog } from '../log.ts';
import { personHash } from './filter.ts';

/** What a hold keeps; at least one is set, and all that are must hold. */
export type Held = {
  readonly person?: string;
  /** A name, or with `*` for any part of one. */
  readonly target?: string;
  readonly session?: string;
  /** ISO 8601: of this time or later, and before that one. */
  readonly from?: string;
  readonly to?: string;
};

export type Hold = {
  readonly id: string;
  readonly name: string;
  readonly keeps: Held;
  readonly reason: string;
  readonly placedBy?: string;
  readonly placedAt: string;
  readonly releasedBy?: string;
  readonly releasedAt?: string;
};

/** It cannot be done; the message says why and what to do. */
export class HoldRefused extends Error {
  override name = 'HoldRefused';
}

export interface Holds {
  /** Those in force, oldest first; with `all` those that were released, too. */
  list(all?: boolean): Promise<readonly Hold[]>;
  /** In force from the moment it resolves. Rejects with HoldRefused. */
  place(name: string, keeps: Held, reason: string, by: string): Promise<Hold>;
  /** By somebody else than whom it is about. Rejects with HoldRefused. */
  release(name: string, reason: string, by: string): Promise<void>;
}

type Row = {
  readonly id: string;
  readonly name: string;
  readonly person: string | null;
  readonly target: string | null;
  readonly session: string | null;
  readonly since: Date | null;
  readonly until: Date | null;
  readonly reason: string;
  readonly placed_by: string | null;
  readonly placed_at: Date;
  readonly released_by: string | null;
  readonly released_at: Date | null;
};

/** An erasure that looks for holds shares it, who places one has it alone: no hold comes between a look and its effect. */
export const HOLD_LOCK = `hashtext('countersign legal hold')`;
const NAME = /^[\w.-]{1,63}$/;

export function openHolds(db: Database, audit: AuditLog): Holds {
  const find = async (name: string): Promise<Hold | undefined> => {
    const { rows } = await db.pool.query<Row>(
      'select * from countersign.legal_hold where name = $1 and released_at is null',
      [name],
    );
    return rows[0] && holdOf(rows[0]);
  };

  /** The record of a hold outlives what it is about, so it names that person by a keyed hash. */
  const bodyOf = async (event: string, hold: Pick<Hold, 'name' | 'keeps'>, reason: string) => {
    const { person, ...keeps } = hold.keeps;
    const key = await installationSecret(db.pool, 'erasure');
    const whom = person === undefined ? {} : { person: personHash(person, key) };
    return { event, name: hold.name, keeps: { ...keeps, ...whom }, reason };
  };

  return {
    async list(all = false) {
      const { rows } = await db.pool.query<Row>(
        'select * from countersign.legal_hold where released_at is null or $1 order by placed_at, id',
        [all],
      );
      return rows.map(holdOf);
    },

    async place(name, asked, reason, by) {
      const keeps = {
        ...asked,
        ...(asked.person !== undefined && { person: personKey(asked.person) }),
      };
      demandReason(reason, keeps.person);
      if (!NAME.test(name))
        throw new HoldRefused(
          'the name of a hold has letters, digits, ".", "_" and "-", and at most 63 of them',
        );
      if (Object.keys(keeps).length === 0)
        throw new HoldRefused('a hold on nothing: name a person, a target, a session or a time');
      if (await find(name))
        throw new HoldRefused(`there is a hold ${name}: give this one another name`);
      const body = await bodyOf('place', { name, keeps }, reason);
      await audit.append({ kind: 'legal-hold', person: personKey(by), body }, async (sql) => {
        await sql.query(`select pg_advisory_xact_lock(${HOLD_LOCK})`);
        await insert(sql, name, keeps, reason, personKey(by));
      });
      const placed = await find(name);
      if (!placed) throw new Error(`the hold ${name} is not in the store after it was placed`);
      return placed;
    },

    async release(name, reason, by) {
      const hold = await find(name);
      if (!hold) throw new HoldRefused(`there is no hold ${name}: countersign audit hold list`);
      demandReason(reason, hold.keeps.person);
      if (hold.keeps.person === personKey(by))
        throw new HoldRefused('a hold on your own records is released by somebody else');
      const body = await bodyOf('release', hold, reason);
      await audit.append({ kind: 'legal-hold', person: personKey(by), body }, async (sql) => {
        const { rowCount } = await sql.query(
          `update countersign.legal_hold set released_at = clock_timestamp(), released_by = $2
           where id = $1 and released_at is null`,
          [hold.id, personKey(by)],
        );
        if (!rowCount) throw new HoldRefused(`the hold ${name} has been released meanwhile`);
      });
    },
  };
}

/** A reason stays for good, so it must not name whom it is about. */
export function demandReason(reason: string, person: string | undefined): void {
  if (reason.trim() === '') throw new HoldRefused('a reason is needed: it stays in the record');
  if (person !== undefined && reason.toLowerCase().includes(person))
    throw new HoldRefused(
      'the reason names the person, and it stays when the rest is erased: leave the address out',
    );
}

async function insert(
  sql: Sql,
  name: string,
  keeps: Held,
  reason: string,
  by: string,
): Promise<void> {
  const { person, target, session, from, to } = keeps;
  await sql.query(
    `insert into countersign.legal_hold (id, name, person, target, session, since, until, reason, placed_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      randomUUID(),
      name,
      person ?? null,
      target ?? null,
      session ?? null,
      from ?? null,
      to ?? null,
      reason,
      by,
    ],
  );
}

function holdOf(row: Row): Hold {
  const { person, target, session, since, until } = row;
  return {
    id: row.id,
    name: row.name,
    keeps: {
      ...(person !== null && { person }),
      ...(target !== null && { target }),
      ...(session !== null && { session }),
      ...(since && { from: since.toISOString() }),
      ...(until && { to: until.toISOString() }),
    },
    reason: row.reason,
    ...(row.placed_by !== null && { placedBy: row.placed_by }),
    placedAt: row.placed_at.toISOString(),
    ...(row.released_by !== null && { releasedBy: row.released_by }),
    ...(row.released_at && { releasedAt: row.released_at.toISOString() }),
  };
}
