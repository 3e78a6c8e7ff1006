import { randomBytes, randomUUID } from 'node:crypto';
import type { AuditLog, Binding, Receipt } from '../audit/log.ts';
import type { Directory } from '../identity/person.ts';
import type { Database } from '../store/database.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { Notices } from '../store/notices.ts';
import {
  demandLease,
  demandSameStatement,
  type RequestLease,
  shownDigest,
  stateNow,
} from './claim.ts';
import { askAccess, breakGlass } from './access.ts';
import { demandActive, Gone } from './active.ts';
import { openGrants } from './grants.ts';
import { Moved, announce, entryFor, move } from './moves.ts';
import { listRequests } from './list.ts';
import {
  type Decided,
  type EndState,
  type NewRequest,
  NotClaimed,
  type Requests,
  type RoleRequests,
  type Vote,
} from './port.ts';
import type { Hint, Queue } from './queue.ts';
import type { Card, Request, RequestState } from './request.ts';
import { findRequest } from './rows.ts';
import { installationSecret } from '../store/secrets.ts';
import { alikeKey, decidedBefore, ranBefore } from './history.ts';
import { findShape, revokeShape, runOnShape, shapeKey } from './shapes.ts';
import { openHandOver } from './hand-over.ts';
import { openQuestions } from './questions.ts';
import { retract } from './retract.ts';
import { escalateDue } from './escalate.ts';
import { startSweep } from './sweep.ts';
import { firstTurn } from './turns.ts';
import { touch, type Talk } from './talk.ts';
import { takeVote } from './vote.ts';
import { openWake, type Wake } from './wake.ts';

export type RequestParts = {
  readonly db: Database;
  readonly notices: Notices;
  readonly audit: AuditLog;
  readonly queue: Queue;
  readonly lease: RequestLease;
  readonly directory: Directory;
  /** Hears of failures that nobody waits for: hints, wake-ups, sweeps. */
  readonly onError: (error: Error) => void;
  readonly tracing?: Tracing;
  /** Why the rules, as they are now, do not let this request for a role be granted any more. */
  readonly refusesRole: (request: Request) => Promise<string | undefined>;
  /** Every group of the configuration; default: none, so nothing is handed over. */
  readonly groups?: () => readonly string[];
};

export type OpenRequests = Requests &
  RoleRequests &
  Talk &
  Pick<Wake, 'watch'> & { close(): Promise<void> };

/** Opens the requests of the store, with the sweep that ends what is overdue. `close` stops waking and sweeping. */
export function openRequests(parts: RequestParts): OpenRequests {
  const { db, audit, queue, lease, onError } = parts;
  const wake = openWake(parts.notices);
  // Writes that failed, or whose fate is unknown: what they opened, claimed or ended can never run, so it is ended.
  const doubtful = new Map<string, () => Promise<unknown>>();

  const tell = (hint: Hint | undefined) => {
    if (!hint) return;
    wake.wake(hint.request);
    queue.publish(hint).catch(onError);
  };

  const get = async (id: string) => (await findRequest(db.pool, id))?.request;

  const end = async (id: string, state: EndState, why: string): Promise<boolean> => {
    const request = await get(id);
    if (!request) return false;
    let hint: Hint | undefined;
    try {
      await audit.append(entryFor(request, 'request', { event: state, why }), async (sql) => {
        hint = await move(sql, { id, from: ['pending', 'approved'], to: state });
      });
    } catch (error) {
      if (error instanceof Moved) return false;
      // Whoever ends it does not wait for it any more, so approvers must not be left with it until it expires.
      if (!doubtful.has(id)) doubtful.set(id, () => end(id, state, why));
      throw error;
    }
    tell(hint);
    return true;
  };

  const finish: Requests['finish'] = async (id, outcome) => {
    const to: RequestState = outcome === 'unknown' ? 'unknown' : 'done';
    const step = { id, from: ['running' as const], to };
    const hint = await db
      .transaction((sql) => move(sql, outcome === 'unknown' ? step : { ...step, outcome }))
      .catch(ignoreMoved);
    tell(hint);
  };

  const shapes = { ...parts, tell };
  const talk = { ...shapes, groups: parts.groups ?? (() => []) };
  let alikeSecret: Promise<Buffer> | undefined;
  /** Whether the same was asked before is found by a keyed hash of the text without its constants. */
  const alikeOf = async ({ alike }: NewRequest): Promise<Buffer | undefined> => {
    if (alike === undefined) return undefined;
    alikeSecret ??= installationSecret(db.pool, 'alike').catch((error: unknown) => {
      alikeSecret = undefined;
      throw error;
    });
    return alikeKey(await alikeSecret, alike);
  };

  /** What approvers are told of before. A store that is busy must not refuse the hold for it: then they are told nothing. */
  const history = async (session: string, alike: Buffer | undefined) => {
    try {
      // One connection for all of it: many may be held at once.
      const client = await db.pool.connect();
      try {
        const before = await ranBefore(client, session);
        return { before, same: alike && (await decidedBefore(client, alike)) };
      } finally {
        client.release();
      }
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
      return {};
    }
  };

  const open = async (asked: NewRequest) => {
    const id = randomUUID();
    const secret = randomBytes(32);
    const alike = await alikeOf(asked);
    const { before = [], same } = await history(asked.session, alike);
    const card: Card = {
      ...asked.card,
      digest: shownDigest(secret, asked.binds.digest),
      ...(before.length > 0 && { before }),
      ...(same && { same }),
    };
    const turn = firstTurn(asked);
    let hint: Hint | undefined;
    try {
      await audit.append(
        {
          kind: 'statement',
          session: asked.session,
          statement: asked.statement,
          request: id,
          person: card.person.email,
          ...(card.agent === undefined ? {} : { agent: card.agent }),
          target: card.target,
          verdict: 'hold',
          body: {
            ...asked.body,
            rules: card.rules,
            message: card.message,
            shownDigest: card.digest,
            requirement: asked.requirement,
          },
          ...(asked.shared && { shared: asked.shared }),
          binds: asked.binds,
        },
        async (sql, record) => {
          await sql.query(
            `insert into countersign.request (id, state, kind, gateway, epoch, session, statement, person, requirement,
               card, secret, record, expires_at, traceparent, alike, shape, rows, stage, escalate_at)
             values ($1, 'pending', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
               clock_timestamp() + $12 * interval '1 millisecond', $13, $14, $15, $16, $17, clock_timestamp() + $18::float8 * interval '1 millisecond')`,
            [
              id,
              asked.kind,
              lease.gateway,
              String(lease.epoch),
              asked.session,
              asked.statement,
              card.person.email,
              JSON.stringify(asked.requirement),
              JSON.stringify(card),
              secret,
              record,
              asked.requirement.expiresMs,
              asked.traceparent ?? null,
              alike ?? null,
              asked.shape ? shapeKey(secret, asked.shape) : null,
              asked.rows ? JSON.stringify(asked.rows) : null,
              turn.stage,
              turn.escalateMs,
            ],
          );
          hint = await announce(sql, id, 1);
        },
      );
    } catch (error) {
      doubtful.set(id, () => end(id, 'abandoned', 'its opening could not be confirmed'));
      throw error;
    }
    tell(hint);
    const request = await get(id);
    if (!request) throw new Error(`the request ${id} is not in the store after it was opened`);
    return request;
  };

  const tellRows: Requests['tellRows'] = async (id, rows) => {
    const hint = await db
      .transaction(async (sql) => {
        const { rows: told } = await sql.query<{ asked: boolean }>(
          `update countersign.request set rows = $2 where id = $1 and state = 'pending'
         returning requirement ?| '{count,sample}' as asked`,
          [id, JSON.stringify(rows)],
        );
        // An estimate that no rule asked for is nothing that anybody has to have seen.
        return told[0] && (await touch(sql, id, !told[0].asked));
      })
      .catch(ignoreMoved);
    tell(hint);
    return hint !== undefined;
  };

  /** It had no receipt, so it did not run: says so whether the claim was written or not. */
  const endUnclaimed = async (request: Request) => {
    const why = 'its claim could not be confirmed, so it was not run';
    if (await end(request.id, 'abandoned', why)) return;
    let hint: Hint | undefined;
    await audit
      .append(entryFor(request, 'outcome', { ok: false, why }), async (sql) => {
        hint = await move(sql, { id: request.id, from: ['running'], to: 'abandoned' });
      })
      .catch(ignoreMoved);
    tell(hint);
  };

  const claim = async (id: string, binds: Binding): Promise<Receipt> => {
    const request = await get(id);
    if (!request) throw new NotClaimed('unknown');
    if (!lease.held()) throw new NotClaimed('lease-lost');
    let hint: Hint | undefined;
    try {
      const entry = entryFor(request, 'claim', { version: request.version });
      const receipt = await audit.append({ ...entry, verdict: 'approved', binds }, async (sql) => {
        await demandLease(sql, id, lease);
        await demandActive(sql, [request.card.person.email]);
        await demandSameStatement(sql, request, binds);
        hint = await move(sql, { id, from: ['approved'], to: 'running', unexpired: true });
      });
      tell(hint);
      return receipt;
    } catch (error) {
      if (error instanceof NotClaimed) throw error;
      if (error instanceof Moved) throw new NotClaimed(await stateNow(db.pool, id));
      if (error instanceof Gone) {
        await end(id, 'abandoned', 'whoever asked for it was let go');
        throw new NotClaimed('abandoned');
      }
      doubtful.set(id, () => endUnclaimed(request));
      throw error;
    }
  };

  const trace = ({ ok, request }: Decided, { decision, via }: Vote, since: number): void => {
    const parent = request?.traceparent;
    if (!request || parent === undefined) return;
    const facts = { request: request.id, decision, via };
    parts.tracing?.start('decide', facts, parent, since).end({}, !ok);
  };

  const sweep = startSweep({
    db,
    end,
    wake,
    doubtful,
    onError,
    escalate: (stopped) => escalateDue(shapes, stopped),
  });

  return {
    open,
    get,
    list: (filter) => listRequests(db.pool, filter),
    async decide(id, person, vote) {
      const since = Date.now();
      const { decided, hint } = await takeVote(parts, id, person, vote);
      tell(hint);
      trace(decided, vote, since);
      return decided;
    },
    askAccess: (asked) => askAccess(shapes, asked),
    breakGlass: (request, stepUp) => breakGlass(shapes, request, stepUp),
    grants: openGrants(shapes),
    claim,
    end,
    finish,
    tellRows,
    findShape: (asked, suits) => findShape(shapes, asked, suits),
    runOnShape: (request, entry) => runOnShape(shapes, request, entry),
    revokeShape: (id, email, also) => revokeShape(shapes, id, email, also),
    ...openQuestions(talk),
    ...openHandOver(talk),
    retract: (id, reaction) => retract(talk, id, reaction),
    settled: (id, signal, seen) =>
      wake.until(id, signal, async () => {
        const found = await findRequest(db.pool, id);
        if (!found) throw new Error(`there is no request ${id}`);
        seen?.(found.request);
        if (found.request.state !== 'pending') return found.request;
        if (found.overdue) await end(id, 'expired', 'nobody decided in time');
        return undefined;
      }),
    watch: (listener) => wake.watch(listener),
    async close() {
      await sweep.stop();
      wake.close();
    },
  };
}

/** Moved already: saying so twice changes nothing. */
function ignoreMoved(error: unknown): undefined {
  if (!(error instanceof Moved)) throw error;
}
