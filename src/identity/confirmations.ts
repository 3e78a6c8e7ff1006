import { randomInt, randomUUID } from 'node:crypto';
import type { AuditLog } from '../audit/log.ts';
import type { Database, Sql } from '../store/database.ts';
import type { Notices } from '../store/notices.ts';
import { personKey } from './people.ts';
import { secretHash } from './secret.ts';

/** Tells every gateway that somebody has decided; the payload is the confirmation's id. */
export const CONFIRMATION = 'countersign_confirmation';

/** A connection that its person should confirm. */
export type Asking = {
  /** Who the client says to be; perhaps nobody. */
  readonly person: string;
  /** They have shown a token already. */
  readonly proven: boolean;
  readonly agent?: string;
  readonly address: string;
  /** As the client says it: target and database may not exist. */
  readonly target: string;
  readonly database: string;
  readonly application: string;
};

export type Confirmation = Asking & {
  readonly id: string;
  /** What the client was shown too. */
  readonly match: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string;
};

export type Asked = Pick<Confirmation, 'id' | 'match' | 'expiresAt'> & {
  /** Goes into the link, and is stored hashed. */
  readonly code: string;
};

/** `parent` is the id of the token that the person had signed in to the console with. */
export type Claimed = { readonly parent?: string };

export type Answer = 'confirmed' | 'denied' | 'expired';

/** Connections that wait for somebody's word, over all gateways of a store. */
export interface Confirmations {
  /** Undefined when too many of this person or address were asked for lately. Recorded. */
  open(asking: Asking): Promise<Asked | undefined>;
  /** Resolves once it is decided or over; rejects with the signal's reason. */
  settled(id: string, signal: AbortSignal): Promise<Answer>;
  /** Spends a confirmation; undefined when it is none, or was spent. */
  claim(id: string): Promise<Claimed | undefined>;
  /** Whether one that was claimed still counts, as it does until the end of this transaction. */
  stands(sql: Sql, id: string): Promise<boolean>;
  /** The connection is gone: nobody should be asked any more. */
  end(id: string): Promise<void>;
  /** What a link asks of this person; undefined for every other, and when it is over. */
  find(code: string, person: string): Promise<Confirmation | undefined>;
  /** `from` is the address of the browser, `token` the id of what they have signed in with. False when it cannot be decided any more. Recorded. */
  decide(
    id: string,
    decision: 'confirm' | 'deny',
    by: { readonly person: string; readonly from: string; readonly token?: string | undefined },
  ): Promise<boolean>;
}

/** Consonants make no words and have no look-alikes (RFC 8628 section 6.1); twelve are 51 bits. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{12}$/u;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LOOK_MS = 3_000;
/**
 * Asked for in the last ten minutes and not confirmed. Of one person only together with the address: else a stranger
 * could keep others out.
 */
const UNPROVEN = 5;
const PROVEN = 40;
const OF_NETWORK = 40;

type Row = {
  readonly id: string;
  readonly person: string;
  readonly proven: boolean;
  readonly agent: string | null;
  readonly address: string;
  readonly target: string;
  readonly database: string;
  readonly application: string;
  readonly match: string;
  readonly state: string;
  readonly expired: boolean;
  readonly created_at: Date;
  readonly expires_at: Date;
};

const ROW = '*, expires_at <= clock_timestamp() as expired';

type Parts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly notices: Pick<Notices, 'on'>;
};

export function openConfirmations({ db, audit, notices }: Parts): Confirmations {
  const look = async (where: string, value: unknown): Promise<Row | undefined> => {
    const { rows } = await db.pool.query<Row>(
      `select ${ROW} from countersign.confirmation where ${where} = $1`,
      [value],
    );
    return rows[0];
  };
  return {
    async open(asking) {
      const person = personKey(asking.person).slice(0, 320);
      // Before the log is troubled, and again under a lock.
      if (await tooMany(db.pool, person, asking)) return undefined;
      const code = letters(12);
      const id = randomUUID();
      const { agent, proven, address: client, ...where } = asking;
      const body = { via: 'confirmation', action: 'asked', confirmation: id, proven, client };
      const { target, database, application } = where;
      let row: Row | undefined;
      try {
        await audit.append(
          {
            kind: 'sign-in',
            person,
            ...(agent !== undefined && { agent }),
            body: { ...body, target, database, application },
          },
          async (sql) => {
            row = await insert(sql, id, code, { ...asking, person });
          },
        );
      } catch (error) {
        if (error instanceof TooMany) return undefined;
        throw error;
      }
      if (!row) throw new Error('the store did not return the confirmation');
      const { match, expires_at: expires } = row;
      return { id, code: dashed(code), match, expiresAt: expires.toISOString() };
    },

    async settled(id, signal) {
      for (;;) {
        const heard = Promise.withResolvers<void>();
        const stop = notices.on(CONFIRMATION, (payload) => {
          if (payload === undefined || payload === id) heard.resolve();
        });
        const timer = setTimeout(heard.resolve, LOOK_MS);
        const gone = (): void => heard.resolve();
        signal.addEventListener('abort', gone);
        try {
          signal.throwIfAborted();
          // oxlint-disable-next-line no-await-in-loop -- one look after the other
          const answer = answerOf(await look('id', id));
          if (answer) return answer;
          // oxlint-disable-next-line no-await-in-loop
          await heard.promise;
        } finally {
          stop();
          clearTimeout(timer);
          signal.removeEventListener('abort', gone);
        }
      }
    },

    async claim(id) {
      const { rows } = await db.pool.query<{ parent: string | null }>(
        `update countersign.confirmation set state = 'used'
         where id = $1 and state = 'confirmed' and expires_at > clock_timestamp() returning parent`,
        [id],
      );
      const [row] = rows;
      return row && { ...(row.parent !== null && { parent: row.parent }) };
    },

    async stands(sql, id) {
      const { rowCount } = await sql.query(
        `select from countersign.confirmation where id = $1 and state = 'used' for update`,
        [id],
      );
      return rowCount === 1;
    },

    async end(id) {
      await db.pool.query(
        `update countersign.confirmation set state = 'ended' where id = $1 and state in ('pending', 'confirmed')`,
        [id],
      );
    },

    async find(code, person) {
      const plain = code.toUpperCase().replaceAll('-', '');
      if (!CODE.test(plain)) return undefined;
      const row = await look('code', secretHash(plain));
      if (!row || row.state !== 'pending' || row.expired) return undefined;
      return row.person === personKey(person) ? confirmationOf(row) : undefined;
    },

    async decide(id, decision, { person: email, from, token }) {
      const person = personKey(email);
      if (!UUID.test(id)) return false;
      const row = await look('id', id);
      if (!row || row.person !== person) return false;
      const body = { via: 'confirmation', action: decision, confirmation: id, client: from };
      try {
        await audit.append(
          { kind: 'sign-in', person, ...(row.agent !== null && { agent: row.agent }), body },
          async (sql) => {
            const { rowCount } = await sql.query(
              `update countersign.confirmation set state = $3, decided_from = $4, parent = $5
               where id = $1 and person = $2 and state = 'pending' and expires_at > clock_timestamp()`,
              [id, person, decision === 'confirm' ? 'confirmed' : 'denied', from, token ?? null],
            );
            if (rowCount !== 1) throw new NotPending();
            await sql.query('select pg_notify($1, $2)', [CONFIRMATION, id]);
          },
        );
        return true;
      } catch (error) {
        if (error instanceof NotPending) return false;
        throw error;
      }
    },
  };
}

class NotPending extends Error {}
class TooMany extends Error {}

async function insert(sql: Sql, id: string, code: string, asking: Asking): Promise<Row> {
  const { person, proven, agent, address, target, database, application } = asking;
  const network = networkOf(address);
  await sql.query(`select pg_advisory_xact_lock(hashtext('confirmation ' || $1))`, [network]);
  if (await tooMany(sql, person, asking)) throw new TooMany();
  await sql.query(
    `delete from countersign.confirmation where expires_at < clock_timestamp() - interval '1 hour'`,
  );
  const { rows } = await sql.query<Row>(
    `insert into countersign.confirmation
       (id, code, person, proven, agent, address, network, target, database, application, match, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + interval '10 minutes')
     returning ${ROW}`,
    [
      id,
      secretHash(code),
      person,
      proven,
      agent ?? null,
      address,
      network,
      target,
      database,
      application,
      letters(4),
    ],
  );
  const [row] = rows;
  if (!row) throw new Error('the store did not return the confirmation');
  return row;
}

async function tooMany(sql: Sql, person: string, { proven, address }: Asking): Promise<boolean> {
  const { rows } = await sql.query<{ own: number; all: number }>(
    `select count(*) filter (where person = $2 and proven = $3)::int as own, count(*)::int as all
     from countersign.confirmation
     where network = $1 and created_at > clock_timestamp() - interval '10 minutes'
       and state not in ('confirmed', 'used')`,
    [networkOf(address), person, proven],
  );
  const { own = 0, all = 0 } = rows[0] ?? {};
  return own >= (proven ? PROVEN : UNPROVEN) || (!proven && all >= OF_NETWORK);
}

/** Whoever has one IPv6 address has its /64. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/iu.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail = ''] = address.toLowerCase().split('%')[0]?.split('::') ?? [];
  const before = head.split(':').filter((part) => part !== '');
  const after = tail.split(':').filter((part) => part !== '');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  const parts = address.includes('::') ? [...before, ...zeros, ...after] : before;
  return parts
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/u, ''))
    .join(':');
}

function answerOf(row: Row | undefined): Answer | undefined {
  if (!row || row.expired || row.state === 'ended' || row.state === 'used') return 'expired';
  if (row.state === 'confirmed' || row.state === 'denied') return row.state;
  return undefined;
}

const letters = (count: number): string =>
  Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('');

const dashed = (code: string): string => code.replaceAll(/.{4}(?=.)/gu, '$&-');

function confirmationOf(row: Row): Confirmation {
  const { agent, created_at: created, expires_at: expires, state: _, expired: __, ...rest } = row;
  return {
    ...rest,
    ...(agent !== null && { agent }),
    createdAt: created.toISOString(),
    expiresAt: expires.toISOString(),
  };
}
