import type { AuditLog, JsonObject } from '../audit/log.ts';
import type { Directory, Person } from '../identity/person.ts';
import type { Database, Sql } from '../store/database.ts';
import { announce, entryFor, Moved } from './moves.ts';
import type { Hint } from './queue.ts';
import type { Decision, Reaction, Request } from './request.ts';
import { type Found, findRequest } from './rows.ts';
import { maySeeRequest } from './sight.ts';
import { sameKey } from './tally.ts';

export type Via = Decision['via'];

/** Why it was not done; the text is for whoever tried. */
export type NotSaid = {
  readonly code:
    | 'not-found'
    | 'not-open'
    | 'not-yours'
    | 'own-request'
    | 'no-question'
    | 'not-valid'
    | 'too-many'
    | 'too-soon';
  readonly message: string;
};

export type Talked =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly refusal: NotSaid };

/** What people do about a request that waits, beside deciding it. Each goes on record. Who they are is looked up anew. */
export interface Talk {
  /** Whoever may see it asks whoever asked for it. */
  ask(id: string, person: Person, text: string, via: Via): Promise<Talked>;
  /** `question` undefined: the only one that is open. */
  answer(
    id: string,
    question: string | undefined,
    person: Person,
    text: string,
    via: Via,
  ): Promise<Talked>;
  /** Groups that are not asked to decide it. */
  others(request: Request): readonly string[];
  /** Whoever can decide it tells another group, which has to agree too where every rule lets them ask that. */
  handOver(id: string, person: Person, group: string, via: Via): Promise<Talked>;
  /** Notifies the groups that are missing. */
  remind(id: string, person: Person, via: Via): Promise<Talked>;
  /** Takes back the vote of this reaction. False when it is none (any more), or nothing waits. */
  retract(id: string, reaction: Reaction): Promise<boolean>;
}

export type TalkParts = {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly directory: Directory;
  /** Every group that there is. */
  readonly groups: () => readonly string[];
  readonly tell: (hint: Hint | undefined) => void;
};

export const notSaid = (code: NotSaid['code'], message: string): NotSaid => ({ code, message });

const NOT_FOUND = notSaid('not-found', 'There is no such request here that you may see.');

const MACHINE = notSaid('not-yours', 'A machine asks for things: people talk about them.');

/** Found out only inside the transaction. */
export class Refused extends Error {
  override name = 'Refused';
  readonly refusal: NotSaid;
  constructor(refusal: NotSaid) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** One step: what is recorded, and what changes with it while the request's row is locked. */
export type Step = {
  readonly body: JsonObject;
  readonly change: (sql: Sql, record: string, by: string) => Promise<void>;
  /** Whoever looked before has to look again before they vote. */
  readonly loud?: true;
};

/** Plans a step for this person on this request, or says why not. */
export type Plan = (request: Request, person: Person) => Step | NotSaid | Promise<Step | NotSaid>;

/** Takes one step on a request that waits. Rejects when the directory, the log or the store fails. */
export async function take(
  { db, audit, directory, tell }: TalkParts,
  id: string,
  asked: Person,
  plan: Plan,
): Promise<Talked> {
  const found = await findRequest(db.pool, id);
  const person = await directory.find(asked.email);
  if (!found || !person || !maySeeRequest(person, found.request))
    return { ok: false, refusal: NOT_FOUND };
  const { request } = found;
  const step = refusalOf(found, person) ?? (await plan(request, person));
  if ('code' in step) return { ok: false, refusal: step };
  const by = sameKey(person.email);
  let hint: Hint | undefined;
  try {
    await audit.append(entryFor(request, 'request', step.body, by), async (sql, record) => {
      hint = await touch(sql, id, step.loud !== true);
      await step.change(sql, record, by);
    });
  } catch (error) {
    if (error instanceof Refused) return { ok: false, refusal: error.refusal };
    if (error instanceof Moved) return { ok: false, refusal: over(request) };
    throw error;
  }
  tell(hint);
  const after = await findRequest(db.pool, id);
  return { ok: true, request: after?.request ?? request };
}

function refusalOf({ request, overdue }: Found, { machine }: Person): NotSaid | undefined {
  if (request.state !== 'pending' || overdue) return over(request);
  return machine ? MACHINE : undefined;
}

const over = ({ state }: Request): NotSaid =>
  notSaid(
    'not-open',
    `This request is not open any more${state === 'pending' ? '' : `: it is ${state}`}.`,
  );

/** A new version of a request that waits, for cards and pages; throws `Moved` when it waits no more. */
export async function touch(sql: Sql, id: string, quiet: boolean): Promise<Hint> {
  const { rows } = await sql.query<{ version: number }>(
    `update countersign.request set version = version + 1,
       quiet_from = case when not $2 then null when quiet_to = version then quiet_from else version end,
       quiet_to = case when $2 then version + 1 end
     where id = $1 and state = 'pending' and expires_at > clock_timestamp() returning version`,
    [id, quiet],
  );
  const [row] = rows;
  if (!row) throw new Moved(`request ${id} does not wait any more`);
  return await announce(sql, id, row.version);
}
