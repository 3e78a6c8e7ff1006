import { CHANGED } from '#src/approval/grants.ts';
import type { RoleRequests } from '#src/approval/port.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import type { TargetConfig } from '#src/config/config.ts';
import { rolesOf } from '#src/identity/grants.ts';
import type { Directory, Person } from '#src/identity/person.ts';
import type { Access } from '#src/policy/verdict.ts';
import { coversAsked } from '#src/policy/who.ts';
import type { AccessAsked, Policy } from '#src/policy/policy.ts';
import type { GrantAction } from '#src/statement/effect.ts';
import type { Database } from '#src/store/database.ts';
import type { Notices } from '#src/store/notices.ts';
import { grantEnded, type Ending } from './postgres/endings.ts';

type Parts = {
  readonly db: Database;
  readonly directory: Directory;
  readonly policy: () => Policy;
  readonly targets: () => ReadonlyMap<
    string,
    Pick<TargetConfig, 'name' | 'environment' | 'timeZone'>
  >;
};

/** A role that somebody may ask for or take at once, and under which terms. */
export type Offer = {
  readonly target: string;
  readonly role: string;
  readonly action: GrantAction;
  readonly access: Exclude<Access, { kind: 'deny' }>;
};

export type RoleRules = ReturnType<typeof roleRules>;
/** What asks for roles, and keeps the grants. */
export type RoleAccess = RoleRequests & { readonly rules: RoleRules };

/** What the rules, as they are now, say to people who ask for roles. */
export function roleRules({ db, directory, policy, targets }: Parts) {
  const judge = async (
    person: Person,
    target: string,
    action: GrantAction,
    asked: Omit<AccessAsked, 'now'>,
  ): Promise<Access> => {
    const facts = targets().get(target);
    if (!facts) return { kind: 'deny', rules: [], message: `there is no target ${target}` };
    const { roles } = await rolesOf(db, person.email);
    return policy().access({ person, roles }, facts, action, { ...asked, now: Date.now() });
  };
  const again = async (
    { person: email, target, role, kind }: Pick<Grant, 'person' | 'target' | 'role' | 'kind'>,
    durationMs: number,
    reason: string | undefined,
  ): Promise<Access> => {
    const person = await directory.find(email);
    if (!person) return { kind: 'deny', rules: [], message: 'its person is no longer known here' };
    return await judge(person, target, kind === 'access' ? 'request' : kind, {
      role,
      minutes: minutesOf(durationMs),
      ...(reason !== undefined && { reason }),
    });
  };
  return {
    judge,
    version: (): string => policy().version,
    /** Why this request may not be granted any more. */
    async refusesRole({ kind, card, requirement }: Request): Promise<string | undefined> {
      if (kind === 'statement' || !card.access) return 'it asks for no role';
      const { role, durationMs } = card.access;
      const asked = { person: card.person.email, target: card.target, role, kind };
      const now = await again(asked, durationMs, card.reason);
      if (now.kind === 'deny') return now.message;
      return now.kind === 'hold' && !coversAsked(requirement.groups, now.requirement.groups)
        ? 'the rules ask for more people to agree than when it was asked'
        : undefined;
    },
    /** Why this grant may not last: whoever has it is gone, or no rule would let them ask for it now. */
    async refusesGrant(grant: Grant): Promise<string | undefined> {
      const now = await again(grant, grant.durationMs, undefined);
      return now.kind === 'deny' ? now.message : undefined;
    },
    /** What this person may ask for, or take, now; by target, then role. */
    async offers(person: Person): Promise<readonly Offer[]> {
      const { roles } = await rolesOf(db, person.email);
      const now = Date.now();
      const found: Offer[] = [];
      for (const facts of targets().values())
        for (const role of policy().roles(facts.name))
          for (const action of ['request', 'break-glass'] as const) {
            const access = policy().access({ person, roles }, facts, action, { role, now });
            if (access.kind !== 'deny') found.push({ target: facts.name, role, action, access });
          }
      return found;
    },
  };
}

export const minutesOf = (ms: number): number => Math.ceil(ms / 60_000);

const ROUND_MS = 1_000;

type Keeping = {
  readonly db: Database;
  readonly notices: Notices;
  readonly gateway: { readonly gateway: string; readonly epoch: bigint | number };
  readonly round: () => Promise<void>;
  readonly forget: (person?: string) => void;
  readonly sessions: {
    readonly size: number;
    revoke(why: (session: { readonly id: string }) => Ending | undefined): void;
    recheck(): Promise<void>;
  };
  /** What waits must be judged again. */
  readonly changed: () => void;
  readonly onError: (error: unknown) => void;
};

/**
 * Keeps the time of grants: every second, and when one is said to have changed, starts and ends them, and ends this
 * gateway's sessions that a grant was live in and is no more. Returns how to stop.
 */
export function keepGrants(parts: Keeping): () => Promise<void> {
  const { notices, forget, sessions, changed, round, onError } = parts;
  const end = async (): Promise<void> => {
    if (sessions.size === 0) return;
    const over = await endedSessions(parts);
    if (over.size > 0) sessions.revoke(({ id }) => over.get(id));
  };
  const heard = notices.on(CHANGED, (person) => {
    forget(person);
    end()
      .then(() => sessions.recheck())
      .then(changed)
      .catch(onError);
  });
  let busy: Promise<void> | undefined;
  const timer = setInterval(() => {
    busy ??= round()
      .then(end)
      .catch(onError)
      .finally(() => (busy = undefined));
  }, ROUND_MS);
  return async () => {
    clearInterval(timer);
    heard();
    await busy;
  };
}

/** Sessions of this gateway that began before the end of a grant of their person on their target. */
async function endedSessions({ db, gateway }: Keeping): Promise<ReadonlyMap<string, Ending>> {
  const { rows } = await db.pool.query<{
    id: string;
    role: string;
    ends: string;
    why: string | null;
  }>(
    `select s.id, g.role, g.ends, g.ended_why as why
     from countersign.session s
     join countersign.access_grant g on g.person = lower(s.person) and g.target = s.target
     where s.gateway = $1 and s.epoch = $2 and s.ended_at is null and g.starts_at <= clock_timestamp()
       and coalesce(g.ended_at, g.ends_at) <= clock_timestamp() and coalesce(g.ended_at, g.ends_at) > s.started_at
       -- One that was extended goes on with the next; what somebody ended does not.
       and (g.revoked_at is not null or not exists (select from countersign.access_grant n
         where n.person = g.person and n.target = g.target and n.role = g.role and n.id <> g.id
           and n.created_at <= g.ends_at and coalesce(n.starts_at <= clock_timestamp(), true)
           and n.ended_at is null and coalesce(n.ends_at, n.use_by) > clock_timestamp()))`,
    [gateway.gateway, String(gateway.epoch)],
  );
  return new Map(
    rows.map(({ id, role, ends, why }) => [id, grantEnded(role, why, ends === 'finish')]),
  );
}
