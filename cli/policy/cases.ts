import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { parseMask } from '#src/policy/annotations.ts';
import { parseDuration } from '#src/policy/duration.ts';
import { usageFailure } from '../failure.ts';
import { momentOf } from './moment.ts';

const text = z.string().min(1);
const names = z.array(text);
const mask = text.refine((value) => parseMask(value) !== undefined, 'is not a mask');
const length = text.refine(
  (value) => parseDuration(value) !== undefined,
  'is not a duration, such as 15m',
);

const person = z.strictObject({
  email: text.optional(),
  groups: names.default([]),
  /** `<target>/<role>`, as a grant gives. */
  roles: names.default([]),
  agent: text.optional(),
  agentGroups: names.default([]),
});

const expectedHold = z.strictObject({
  /** `[dba]`, or with how many of each: `{ dba: 2 }`. */
  groups: z.union([names, z.record(text, z.number().int().min(1))]).optional(),
  /** As `explain` says it: `1 of dba, then 1 of security`. */
  who: text.optional(),
  expires: length.optional(),
  reason: z.enum(['required', 'optional']).optional(),
  stepup: length.optional(),
  channels: names.optional(),
});

const testCase = z
  .strictObject({
    name: text.optional(),
    as: text,
    target: text.optional(),
    sql: text.optional(),
    action: text.optional(),
    /** `Table::"shop/public/orders"` */
    on: text.optional(),
    /** With `action`: the statement's class and whether every write has a condition. */
    class: text.optional(),
    bounded: z.boolean().optional(),
    reason: text.optional(),
    purpose: text.optional(),
    at: text
      .refine(
        (value) => momentOf(value, 'UTC') !== undefined,
        'is not a time, such as 2026-11-20 21:30 or Fri 21:30',
      )
      .optional(),
    inTransaction: z.boolean().default(false),
    /** `context.rows`: nothing is estimated in a test. */
    estimate: z.number().int().min(0).optional(),
    expect: z.enum(['allow', 'hold', 'deny']),
    /** All of them decided, perhaps with others. */
    rules: names.optional(),
    /** Exactly these columns are masked: `public.customers.card: last4`. */
    masks: z.record(text, mask).optional(),
    rows: z.number().int().optional(),
    changes: z.number().int().optional(),
    hold: expectedHold.optional(),
    /** A part of what the person reads. */
    message: text.optional(),
  })
  .refine((one) => (one.sql === undefined) !== (one.action === undefined), {
    message: 'needs sql, or action and on',
  })
  .refine((one) => (one.action === undefined) === (one.on === undefined), {
    message: 'action and on go together',
  });

export const testFile = z.strictObject({
  /** Files of the folder; default all. */
  policies: names.optional(),
  /** Cedar rules for these cases only, for example who may connect at all. */
  with: text.optional(),
  /** A file of SQL, or SQL: the tables that statements are judged against. Default: the configured target's. */
  schema: text.optional(),
  targets: z
    .record(
      text,
      z.strictObject({
        environment: text.default('production'),
        timeZone: text
          .refine((zone) => isTimeZone(zone), 'is not a time zone, such as Europe/Berlin')
          .default('UTC'),
      }),
    )
    .optional(),
  /** Groups and channels that rules may name beside those of the people here and of the configuration. */
  groups: names.default([]),
  channels: names.default([]),
  /** Rotas that rules may name, and an owners file: default the configured ones. */
  oncall: names.default([]),
  owners: z.record(text, z.unknown()).optional(),
  people: z.record(text, person),
  cases: z.array(testCase).min(1),
});

export type TestCase = z.infer<typeof testCase>;
export type TestFile = z.infer<typeof testFile>;
export type TestPerson = z.infer<typeof person>;
/** With the name of the file, as it is printed. */
export type NamedTests = { readonly name: string; readonly tests: TestFile };

function isTimeZone(zone: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Every `*.test.yaml` of the folder, by name. Rejects with `Failure` that names everything that is wrong with one. */
export async function readCases(dir: string): Promise<readonly NamedTests[]> {
  const entries = await readdir(dir).catch((cause: unknown) => {
    throw usageFailure(`the folder ${dir} cannot be read`, String(cause));
  });
  const found = entries.filter((name) => /\.test\.ya?ml$/.test(name)).toSorted();
  return Promise.all(
    found.map(async (name) => ({
      name,
      tests: read(name, await readFile(join(dir, name), 'utf8')),
    })),
  );
}

function read(name: string, source: string): TestFile {
  let document: unknown;
  try {
    document = parseYaml(source);
  } catch (error) {
    throw usageFailure(`${name} is not YAML`, error instanceof Error ? error.message : '');
  }
  const result = testFile.safeParse(document);
  if (result.success) return result.data;
  const lines = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw usageFailure(`${name} cannot be used`, lines.join('\n  '));
}
