import { eachStatement } from '#src/audit/statements.ts';
import type { Config } from '#src/config/config.ts';
import { openDirectory } from '#src/identity/directory.ts';
import { liveRoles } from '#src/identity/grants.ts';
import { peopleOf } from '#src/identity/people.ts';
import type { Subject } from '#src/identity/person.ts';
import { parseDuration } from '#src/policy/duration.ts';
import type { Database } from '#src/store/database.ts';
import { integer } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { openConfig } from '../installation.ts';
import { withLog } from '../store.ts';
import { clock, printable, type Terminal } from '../terminal.ts';
import { loadRules } from './check.ts';
import { Replay, type Change, type Now, type Replayed } from './replay.ts';

type Asked = {
  readonly config?: string;
  readonly with?: string;
  readonly since?: string;
  readonly target?: string;
  readonly limit?: string;
  readonly groups?: string;
  readonly json?: boolean;
};

type Result = {
  readonly since: string;
  readonly groups: 'then' | 'now';
  readonly counts: Record<Replayed['kind'], number>;
  /** By what changed: `allow → deny`. */
  readonly summary: Record<string, number>;
  /** The newest come last; at most as many as were asked for. */
  readonly changes: Change[];
};

/** Judges what is in the log by other rules, and tells every verdict that would be another. */
export async function simulate(values: Asked, terminal: Terminal): Promise<number> {
  if (values.with === undefined)
    throw usageFailure('with which rules?', 'pass --with DIR: a folder of *.cedar files');
  const { config } = await openConfig(values.config);
  const ms = parseDuration(values.since ?? '7d');
  if (ms === undefined)
    throw usageFailure(`--since ${values.since} is not a duration`, 'write 24h or 7d');
  if (values.target !== undefined && !config.targets.has(values.target))
    throw usageFailure(`there is no target ${values.target}`, 'see targets: of the configuration');
  const groups = groupsOf(values.groups);
  const limit = integer(values.limit ?? '100', 'limit', 0, 1_000_000);
  const policy = await loadRules(config, values.with);
  const since = new Date(Date.now() - ms);
  const result: Result = {
    since: since.toISOString(),
    groups,
    counts: { same: 0, own: 0, refused: 0, unknown: 0, changed: 0 },
    summary: {},
    changes: [],
  };
  await withLog(config, async (db, audit) => {
    // Law 8: a look at what others did is a record too.
    const about = { what: 'policy simulate', since: result.since, rules: policy.version };
    await audit.append({
      kind: 'look',
      ...(values.target !== undefined && { target: values.target }),
      body: about,
    });
    const now = groups === 'now' ? await peopleNow(db, config, since) : undefined;
    const replay = new Replay(policy, config.targets, now);
    let seen = 0;
    await eachStatement(db, { since, target: values.target }, (record) => {
      count(result, replay.judge(record), limit);
      seen += 1;
      if (seen % 500 === 0)
        terminal.status(
          `judging again: ${seen.toLocaleString('en')} records, ${result.counts.changed} changed`,
        );
    });
  });
  terminal.status(undefined);
  if (values.json) terminal.out(JSON.stringify(result, undefined, 2));
  else for (const line of linesOf(result, config, terminal)) terminal.out(line);
  return EXIT.done;
}

function groupsOf(value = 'then'): 'then' | 'now' {
  if (value === 'then' || value === 'now') return value;
  throw usageFailure(`--groups ${value} is not known`, 'it is then (the default) or now');
}

function count(result: Result, replayed: Replayed, limit: number): void {
  result.counts[replayed.kind] += 1;
  if (replayed.kind !== 'changed') return;
  const { change } = replayed;
  result.summary[change.what] = (result.summary[change.what] ?? 0) + 1;
  if (limit === 0) return;
  if (result.changes.length === limit) result.changes.shift();
  result.changes.push(change);
}

/** Everybody who did something since then, as they are now. */
async function peopleNow(db: Database, config: Config, since: Date): Promise<Now> {
  const { rows } = await db.pool.query<{ person: string }>(
    `select distinct person from countersign.record_body
     where kind = 'statement' and at >= $1 and person is not null`,
    [since],
  );
  const directory = openDirectory({
    db,
    notices: { on: () => () => undefined },
    configured: () => peopleOf(config),
  });
  const known = new Map<string, Subject>();
  for (const { person: email } of rows) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- few of them, on two connections
    const person = await directory.find(email);
    // oxlint-disable-next-line eslint/no-await-in-loop
    if (person) known.set(email, { person, roles: await liveRoles(db, person.email) });
  }
  return (email, agent) => {
    const subject = known.get(email);
    const acting = agent === undefined ? undefined : config.identity.agents.get(agent);
    return subject && acting ? { ...subject, agent: acting } : subject;
  };
}

function* linesOf(result: Result, config: Config, terminal: Terminal): Generator<string> {
  const { counts, changes, summary, since, groups } = result;
  const judged = counts.same + counts.changed;
  for (const change of changes) yield* changeLines(change, config, terminal);
  if (changes.length < counts.changed && changes.length > 0)
    yield `… and ${counts.changed - changes.length} earlier ones; --limit ${counts.changed} lists them all\n`;
  const who =
    groups === 'then' ? 'the groups that people had then' : 'the groups that people have now';
  yield `${judged.toLocaleString('en')} statements since ${clock(since)}, judged again with ${who}:`;
  yield `  ${counts.same} as before, ${terminal.paint('bold', `${counts.changed} changed`)}`;
  for (const what of Object.keys(summary).toSorted()) yield `    ${what}: ${summary[what]}`;
  if (counts.refused > 0) yield `  ${counts.refused} refused whatever the rules say`;
  if (counts.unknown > 0)
    yield `  ${counts.unknown} cannot be judged again: the record does not hold what they would do, or the person or target is gone`;
}

function* changeLines(change: Change, config: Config, terminal: Terminal): Generator<string> {
  const { at, person, agent, target, what, text, before, after, masks = [], record } = change;
  const through = agent === undefined ? '' : ` through ${agent}`;
  yield `${clock(at)}  ${printable(person)}${through}  ${target}  ${terminal.paint('bold', what)}`;
  yield `  ${printable(text)}`;
  yield `  was ${before.verdict} by ${before.rules.join(', ')}`;
  yield `  now ${after.verdict} by ${after.rules.join(', ')}${after.message === undefined ? '' : `: ${after.message}`}`;
  for (const mask of masks) yield `    ${mask}`;
  yield `  ${config.publicUrl}/records/${record}`;
  yield '';
}
