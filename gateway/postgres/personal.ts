import type { Config, TargetConfig } from '#src/config/config.ts';
import { loginOf } from '#src/config/person-login.ts';
import { personKey } from '#src/identity/people.ts';
import type { Database } from '#src/store/database.ts';
import type { SessionFacts } from '../gate/asked.ts';
import type { Analyser } from './analyser.ts';
import { Fatal } from './fatal.ts';

type Parts = {
  readonly db: Database;
  readonly configured: () => readonly string[];
  readonly targets: Config['targets'];
  readonly analyser: (target: TargetConfig, database: string) => Analyser;
};

/** The role that this person logs in to the target as; undefined when all share one, or when they can have none. */
export function roleOf({ personal }: TargetConfig, person: string): string | undefined {
  const login = loginOf(person);
  return login === undefined ? undefined : personal?.roleOf(login);
}

/**
 * The target as this person logs in to it: the same for everybody, or with a role of their own. Rejects with Fatal when
 * that role is another's too, or could do what rules cannot bind.
 */
export async function targetOf(
  parts: Parts,
  config: TargetConfig,
  { person, target }: SessionFacts,
): Promise<TargetConfig> {
  if (!config.personal) return config;
  const login = loginOf(person);
  const role = roleOf(config, person);
  if (login === undefined || role === undefined)
    throw cannot(target.name, 'your address holds characters that no role there may have');
  const own = ownRoles(parts.targets, config);
  if (role.startsWith('pg_') || own.includes(role))
    throw cannot(target.name, `the role ${role} is not a person’s`);
  if (await isShared(parts, login, personKey(person)))
    throw cannot(target.name, `somebody else’s address has ${login} before the @, too`);
  const found = await parts
    .analyser(config, config.database)
    .role(role, own)
    .catch((cause: unknown) => {
      throw new Fatal('08001', `countersign: target "${target.name}" cannot be asked about roles`, {
        hint: 'Try again; if it lasts, ask the operator to run "countersign doctor".',
        cause,
      });
    });
  if (!found) throw cannot(target.name, `there is no role ${role}`);
  if (found.own || found.privileged)
    throw cannot(target.name, `the role ${role} may do what rules cannot bind`);
  return config.personal(login);
}

const cannot = (target: string, why: string): Fatal =>
  new Fatal('28000', `countersign: you have no role at target "${target}": ${why}`, {
    hint: 'Ask the operator: each person logs in there as a role of their own.',
  });

/** What the gateway logs in as by itself, at any target of the same server. */
function ownRoles(targets: Config['targets'], { host, port }: TargetConfig): readonly string[] {
  const there = [...targets.values()].filter((one) => one.host === host && one.port === port);
  return there.flatMap(({ user, analyser, personal }) =>
    personal ? [analyser.user] : [user, analyser.user],
  );
}

/** Everybody whom the configuration or the store knows counts, whatever became of them: their role may still be there. */
async function isShared(
  { db, configured }: Parts,
  login: string,
  person: string,
): Promise<boolean> {
  if (configured().some((email) => email !== person && loginOf(email) === login)) return true;
  const { rowCount } = await db.pool.query(
    `select from countersign.person where lower(left(email, length(email) - strpos(reverse(email), '@'))) = $1 and email <> $2 limit 1`,
    [login, person],
  );
  return rowCount !== 0;
}
