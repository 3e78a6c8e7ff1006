import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, TargetConfig } from '#src/config/config.ts';
import { parseOwners } from '#src/config/owners.ts';
import type { Owners } from '#src/policy/owners.ts';
import type { Subject } from '#src/identity/person.ts';
import type { CedarPolicy } from '#src/policy/evaluate.ts';
import type { QuestionNote } from '#src/policy/explain.ts';
import { loadPolicy, type KnownNames, type PolicyFile } from '#src/policy/load.ts';
import type { Context, TargetFacts } from '#src/policy/policy.ts';
import type { Verdict } from '#src/policy/verdict.ts';
import type { Effect } from '#src/statement/effect.ts';
import type { Trials } from '#gateway/postgres/trial.ts';
import { Failure, usageFailure } from '../failure.ts';
import type { NamedTests, TestCase, TestFile, TestPerson } from './cases.ts';
import { differences } from './expect.ts';
import { momentOf, USUAL } from './moment.ts';
import { objectOf, effectOf } from './objects.ts';
import type { Sandbox } from './sandbox.ts';

export type CaseResult = {
  readonly name: string;
  /** Empty when the case passed. */
  readonly failures: readonly string[];
  readonly verdict?: Verdict;
  readonly ms: number;
};
export type FileResult = {
  readonly file: string;
  readonly cases: readonly CaseResult[];
  /** Rules of the folder that these cases are about, and those of them that applied somewhere. */
  readonly rules: ReadonlyMap<string, string>;
  readonly exercised: ReadonlySet<string>;
};

export type Surroundings = {
  readonly dir: string;
  readonly files: readonly PolicyFile[];
  /** Undefined where there is no configuration: then everything must stand in the test file. */
  readonly config: Config | undefined;
  readonly names: KnownNames | undefined;
  /** Started at the first file that has a schema of its own. */
  readonly sandbox: () => Promise<Sandbox>;
  /** Files with the same target and the same schema share them. */
  readonly trials: (target: TargetConfig) => Promise<Trials>;
};

type Answer = { readonly verdict: Verdict; readonly questions: readonly QuestionNote[] };

/** Runs the cases of one file, one after the other. Rejects with `Failure` when the file cannot be run at all. */
export async function runFile(
  { name, tests }: NamedTests,
  around: Surroundings,
): Promise<FileResult> {
  const world = await worldOf(name, tests, around);
  const exercised = new Set<string>();
  const cases: CaseResult[] = [];
  for (const one of tests.cases) {
    const started = performance.now();
    // oxlint-disable-next-line eslint/no-await-in-loop -- one target, one statement after the other
    const { failures, answer } = await runCase(one, world);
    for (const question of answer?.questions ?? [])
      for (const rule of question.rules) if (rule.applies) exercised.add(rule.id);
    cases.push({
      name: one.name ?? titleOf(one),
      failures,
      ...(answer && { verdict: answer.verdict }),
      ms: performance.now() - started,
    });
  }
  return { file: name, cases, rules: world.rules, exercised };
}

const titleOf = ({ as, sql, action, on }: TestCase): string =>
  `${as}: ${sql?.trim().replaceAll(/\s+/g, ' ') ?? `${action} on ${on}`}`;

type World = {
  readonly tests: TestFile;
  readonly policy: CedarPolicy;
  readonly rules: ReadonlyMap<string, string>;
  readonly targets: ReadonlyMap<string, TargetFacts>;
  readonly trials: (target: TargetFacts) => Promise<Trials>;
};

async function worldOf(name: string, tests: TestFile, around: Surroundings): Promise<World> {
  const targets = targetsOf(name, tests, around.config);
  const place = await placeOf(name, tests, around, targets);
  const { files } = around;
  const missing = tests.policies?.find((wanted) => !files.some((file) => file.name === wanted));
  if (missing !== undefined)
    throw usageFailure(`${name}: there is no ${missing} in ${around.dir}`, 'correct policies:');
  const chosen = files.filter((file) => tests.policies?.includes(file.name) ?? true);
  const own = tests.with === undefined ? [] : [{ name: OWN, text: tests.with }];
  const loaded = loadPolicy([...chosen, ...own], await namesFor(tests, around, targets, place));
  if (!loaded.ok)
    throw usageFailure(
      `${name}: the rules do not load`,
      loaded.problems.map((p) => `${p.file}:${p.line ?? 1}: ${p.message} (${p.hint})`).join('\n  '),
    );
  return {
    tests,
    policy: loaded.policy,
    rules: new Map([...loaded.files].filter(([, file]) => file !== OWN)),
    targets,
    trials: (target) => around.trials(place(target)),
  };
}

/** What the rules in `with:` are said to be in. */
const OWN = 'with:';

function targetsOf(
  name: string,
  { targets }: TestFile,
  config: Config | undefined,
): ReadonlyMap<string, TargetFacts> {
  const own = Object.entries(targets ?? {}).map(
    ([key, facts]) => [key, { name: key, ...facts }] as const,
  );
  if (own.length > 0) return new Map(own);
  if (config) return config.targets;
  throw usageFailure(
    `${name}: there is no target`,
    'write targets: { NAME: {} }, or pass --config',
  );
}

type Place = (target: TargetFacts) => TargetConfig;

/** Where statements for a target are parsed: on the sandbox, or on the configured target itself. */
async function placeOf(
  name: string,
  tests: TestFile,
  { dir, config, sandbox }: Surroundings,
  targets: ReadonlyMap<string, TargetFacts>,
): Promise<Place> {
  const { schema } = tests;
  if (schema !== undefined) {
    const sql = /^[\w./-]+\.sql$/.test(schema.trim())
      ? await readFile(join(dir, schema.trim()), 'utf8').catch(() => {
          throw usageFailure(`${name}: ${schema} cannot be read`, 'it lies beside the test file');
        })
      : schema;
    const box = await sandbox();
    const made = new Map<string, TargetConfig>();
    for (const facts of targets.values())
      // oxlint-disable-next-line eslint/no-await-in-loop -- the same database for all of them
      made.set(facts.name, await box.target(facts, sql));
    return (target) => made.get(target.name) ?? noPlace(name, target);
  }
  return (target) => config?.targets.get(target.name) ?? noPlace(name, target);
}

function noPlace(name: string, target: TargetFacts): never {
  throw usageFailure(
    `${name}: statements for ${target.name} cannot be judged`,
    'give the tables as schema:, or pass --config with that target',
  );
}

async function namesFor(
  tests: TestFile,
  { names, config }: Surroundings,
  targets: ReadonlyMap<string, TargetFacts>,
  place: Place,
): Promise<KnownNames> {
  const people = Object.values(tests.people).flatMap((one) => [...one.groups, ...one.agentGroups]);
  const known: KnownNames = {
    owners: tests.owners ? ownersIn(tests.owners) : names?.owners,
    onCall: [...(names?.onCall ?? []), ...tests.oncall],
    groups: [...(names?.groups ?? []), ...tests.groups, ...people],
    channels: [...(names?.channels ?? []), ...tests.channels],
    targets: [...targets.keys(), ...(config?.targets.keys() ?? [])],
  };
  if (tests.schema === undefined) return known;
  const { namesOfAll } = await import('#gateway/postgres/columns.ts');
  const there = await namesOfAll([...targets.values()].map(place), (_, error) => {
    throw error;
  });
  return { ...known, ...there };
}

/** An owners file that stands in the test file itself. */
function ownersIn(written: Readonly<Record<string, unknown>>): Owners {
  const parsed = parseOwners(JSON.stringify(written));
  if ('owners' in parsed) return parsed.owners;
  const lines = parsed.problems.map(({ path, message }) => `${path}: ${message}`);
  throw usageFailure('owners: cannot be used', lines.join('\n  '));
}

async function runCase(
  one: TestCase,
  world: World,
): Promise<{ readonly failures: readonly string[]; readonly answer?: Answer }> {
  const target = targetOf(one, world);
  const person = world.tests.people[one.as];
  if (typeof target === 'string') return { failures: [target] };
  if (!person) return { failures: [`people: has no ${one.as}`] };
  const context: Context = {
    inTransaction: one.inTransaction,
    now: momentOf(one.at ?? USUAL, target.timeZone) ?? 0,
    ...(one.reason !== undefined && { reason: one.reason }),
    ...(one.purpose !== undefined && { purpose: one.purpose }),
  };
  try {
    const answer = await ask(one, world, target, subjectOf(one.as, person), context);
    return { failures: differences(one, answer.verdict), answer };
  } catch (error) {
    if (error instanceof Failure) throw error;
    return { failures: [error instanceof Error ? error.message : String(error)] };
  }
}

function targetOf(one: TestCase, { targets }: World): TargetFacts | string {
  const [only, ...more] = targets.values();
  if (one.target !== undefined)
    return targets.get(one.target) ?? `there is no target ${one.target}`;
  return only && more.length === 0 ? only : 'there are several targets: name one with target:';
}

async function ask(
  one: TestCase,
  world: World,
  target: TargetFacts,
  subject: Subject,
  context: Context,
): Promise<Answer> {
  const { policy } = world;
  if (one.sql !== undefined) {
    const trials = await world.trials(target);
    return trials.try({ policy, subject, text: one.sql, context, rows: one.estimate });
  }
  const plain = effectOf(one.action ?? '', objectOf(one.on ?? '', target.name), one);
  const { estimate } = one;
  const effect: Effect = estimate === undefined ? plain : { ...plain, estimatedRows: estimate };
  return policy.explain(subject, target, [effect], context);
}

function subjectOf(name: string, person: TestPerson): Subject {
  const email = person.email ?? `${name.toLowerCase()}@example.com`;
  return {
    person: { email, name, groups: person.groups },
    roles: person.roles,
    ...(person.agent !== undefined && { agent: { id: person.agent, groups: person.agentGroups } }),
  };
}
