import type { Config, TargetConfig } from '#src/config/config.ts';
import { openDirectory } from '#src/identity/directory.ts';
import { liveRoles } from '#src/identity/grants.ts';
import { peopleOf, personKey } from '#src/identity/people.ts';
import type { Person, Subject } from '#src/identity/person.ts';
import type { Context } from '#src/policy/policy.ts';
import { integer, nearest } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { openConfig } from '../installation.ts';
import { runningStore } from '../running-store.ts';
import { withStore } from '../store.ts';
import type { Terminal } from '../terminal.ts';
import { loadRules } from './check.ts';
import { jsonOf, linesOf } from './explained.ts';
import { momentOf } from './moment.ts';

type Asked = {
  readonly config?: string;
  readonly dir?: string;
  readonly json?: boolean;
  readonly reason?: string;
  readonly purpose?: string;
  readonly at?: string;
  readonly group?: readonly string[];
  readonly role?: readonly string[];
  readonly agent?: string;
  readonly 'in-transaction'?: boolean;
  readonly rows?: string;
  readonly 'search-path'?: string;
};

/** Tells what the rules say of one statement, and why. The target parses it; nothing is run. */
export async function explain(
  [where = '', who = '', ...words]: readonly string[],
  values: Asked,
  terminal: Terminal,
): Promise<number> {
  const sql = words.join(' ');
  if (sql.trim() === '')
    throw usageFailure('what is to be explained?', 'policy explain TARGET PERSON SQL');
  const { config } = await openConfig(values.config);
  const { target, database } = targetOf(config, where);
  const context = contextOf(values, target);
  const policy = await loadRules(config, values.dir);
  const { subject, notice } = await subjectOf(config, who, values);
  if (notice !== undefined) terminal.err(notice);
  const { Trials } = await import('#gateway/postgres/trial.ts');
  await using trials = new Trials(target, { database, searchPath: values['search-path'] });
  const rows = values.rows === undefined ? undefined : integer(values.rows, 'rows', 0, 2 ** 53 - 1);
  const tried = await trials.try({ policy, subject, text: sql, context, rows });
  if (values.json) terminal.out(JSON.stringify(jsonOf(tried, subject, target), undefined, 2));
  else for (const line of linesOf(tried, subject, target, terminal)) terminal.out(line);
  return EXIT.done;
}

/** `shop` or `shop/other-database`. */
function targetOf(
  config: Config,
  where: string,
): { readonly target: TargetConfig; readonly database: string } {
  const [name = '', ...rest] = where.split('/');
  const target = config.targets.get(name);
  if (target) return { target, database: rest.join('/') || target.database };
  const near = nearest(name, [...config.targets.keys()]);
  const known = [...config.targets.keys()].join(', ');
  throw usageFailure(
    `there is no target ${name}`,
    near === undefined ? `there is: ${known}` : `did you mean ${near}?`,
  );
}

function contextOf(values: Asked, { timeZone }: TargetConfig): Context {
  const now = values.at === undefined ? Date.now() : momentOf(values.at, timeZone);
  if (now === undefined)
    throw usageFailure(
      `--at ${values.at} is not a time`,
      `write '2026-11-20 21:30' or 'Fri 21:30' (${timeZone}), or an instant like 2026-11-20T21:30:00Z`,
    );
  return {
    now,
    inTransaction: values['in-transaction'] ?? false,
    ...(values.reason !== undefined && { reason: values.reason }),
    ...(values.purpose !== undefined && { purpose: values.purpose }),
  };
}

async function subjectOf(
  config: Config,
  who: string,
  { group = [], role = [], agent }: Asked,
): Promise<{ readonly subject: Subject; readonly notice?: string }> {
  const { person, roles } = await lookUp(config, who);
  const added = group.map((name) => name.replace(/^\+/, ''));
  const { name = who, groups = [] } = person ?? {};
  const acting = agent === undefined ? undefined : config.identity.agents.get(agent);
  if (agent !== undefined && !acting)
    throw usageFailure(`there is no agent ${agent}`, 'agents stand under identity.agents');
  const subject: Subject = {
    person: { email: personKey(who), name, groups: [...new Set([...groups, ...added])] },
    roles: [...roles, ...role],
    ...(acting && { agent: acting }),
  };
  const notice = `nobody here is ${who}: judged with the groups of --group alone`;
  return person ? { subject } : { subject, notice };
}

/** As the gateway knows them, when its store is there to be asked; else as the configuration does. */
async function lookUp(
  config: Config,
  who: string,
): Promise<{ readonly person: Person | undefined; readonly roles: readonly string[] }> {
  const configured = peopleOf(config);
  const reachable =
    config.store.postgres !== 'embedded' || (await runningStore(config)) !== undefined;
  if (!reachable) return { person: configured.get(personKey(who)), roles: [] };
  return withStore(config, async (db) => {
    const nobody = { on: () => () => undefined };
    const directory = openDirectory({ db, notices: nobody, configured: () => configured });
    const person = await directory.find(who);
    return { person, roles: person ? await liveRoles(db, person.email) : [] };
  });
}
