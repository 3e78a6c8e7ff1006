import { z } from 'zod';
import { parseDuration } from '../policy/duration.ts';
import { isTimeZone, parseAddress, parseSize } from './units.ts';

/** A text that `parse` understands; the message shows what was written and what would be right. */
const text = (parse: (value: string) => unknown, what: string, example: string) =>
  z.string().refine((value) => parse(value) !== undefined, {
    error: (issue) => `${JSON.stringify(issue.input)} is not ${what}: write ${example}`,
  });

const duration = text(parseDuration, 'a duration', '5m');
const size = text(parseSize, 'a size', '1MiB');
const address = text(parseAddress, 'an address', '127.0.0.1:6432');
const timeZone = text((value) => isTimeZone(value) || undefined, 'a time zone', 'Europe/Berlin');
const secret = z
  .string()
  .min(1)
  .meta({ description: 'A secret: ${env:NAME}, ${file:./path}, ${command:…}.' });
const file = z.string().min(1);
const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,62}$/,
    'a name has letters, digits, ".", "_" and "-", and at most 63 of them',
  );
const email = z.string().regex(/^[^\s@]+@[^\s@]+$/, 'a person is named by an e-mail address');
const urlOf = (schemes: readonly string[]) =>
  // Addresses may hold passwords, so what was written is not shown.
  z
    .string()
    .refine(
      (value) => schemes.some((one) => value.startsWith(`${one}://`)) && URL.canParse(plain(value)),
      `not an address: write ${schemes[0]}://…`,
    );
/** References stand for text that is not known yet. */
const plain = (value: string): string => value.replace(/\$\{[^}]*\}/g, 'x');

const target = z
  .strictObject({
    protocol: z.literal('postgres').describe('What the target speaks.'),
    environment: name.default('production').describe('Environment::"…" in the rules.'),
    timeZone: timeZone.default('UTC').describe('Whose hour and weekday the rules ask for.'),
    url: urlOf(['postgres', 'postgresql']).describe(
      'postgres://user@host:port/database, without the password.',
    ),
    password: secret.describe("The gateway's own password at the target."),
    analyser: z
      .strictObject({
        user: z
          .string()
          .min(1)
          .describe('A role without table privileges, with SET on log_min_messages.'),
        password: secret.describe("The analyser role's password."),
      })
      .describe('The role that only parses statements.'),
    tls: z
      .strictObject({
        mode: z
          .enum(['disable', 'require', 'verify-full'])
          .default('verify-full')
          .describe('As sslmode of libpq.'),
        ca: file.optional().describe("PEM file with the target's authority."),
      })
      .prefault({})
      .describe('Encryption towards the target.'),
    hold: z
      .strictObject({
        inTransaction: duration
          .default('5m')
          .describe('How long a hold may keep a transaction open.'),
        resend: duration
          .default('15m')
          .describe('The longest time an approval may outlive its connection.'),
      })
      .prefault({})
      .describe('Limits of holds.'),
    record: z
      .strictObject({
        rows: z.int().min(0).default(1000).describe('Result rows kept per statement.'),
        bytes: size.default('1MiB').describe('Result bytes kept per statement.'),
      })
      .prefault({})
      .describe('What is kept of results.'),
    channel: z.string().optional().describe('Channel for holds whose rules name none.'),
  })
  .describe('A database that is reached through the gateway.');

const person = z.strictObject({
  name: z.string().min(1).describe('As people read it.'),
  groups: z.array(z.string().min(1)).default([]).describe('Group::"…" in the rules.'),
});

const workspaces = z
  .array(z.string().regex(/^[TE][A-Z0-9]+$/, 'a workspace id looks like T0123456'))
  .min(1);
const botToken = secret.describe('xoxb-…');
const teams = workspaces.describe('Workspaces whose members may decide.');
const slack = z
  .discriminatedUnion('mode', [
    z.strictObject({
      mode: z.literal('http'),
      botToken,
      signingSecret: secret.describe('Proves that a request comes from Slack.'),
      appId: z.string().optional().describe('A0123456; requests of other apps are refused.'),
      teams,
      listen: address.describe('Where Slack reaches us, behind your HTTPS proxy.'),
      apiUrl: urlOf(['https', 'http']).optional().describe('Another Web API address, for tests.'),
      matchEmail: z
        .literal(true)
        .default(true)
        .describe('Slack accounts are people by e-mail address.'),
    }),
    z.strictObject({
      mode: z.literal('socket'),
      botToken,
      appToken: secret.describe('xapp-…'),
      teams,
    }),
  ])
  .describe('The Slack app.');

const channel = z
  .strictObject({
    slack: z
      .string()
      .regex(/^[CG][A-Z0-9]+$/, 'a Slack channel id looks like C0123456')
      .optional()
      .describe('Channel id, not its name.'),
    teams: z.string().min(1).optional().describe('Conversation id.'),
  })
  .refine(
    (ids) => ids.slack !== undefined || ids.teams !== undefined,
    'name its slack or teams channel',
  );

/** The whole file. Every object is strict: an unknown key is an error. */
export const fileSchema = z
  .strictObject({
    name: name.describe('The installation, as logs and cards name it.'),
    listen: z
      .strictObject({
        console: address.default('127.0.0.1:8080').describe('Web console and API.'),
        postgres: address.default('127.0.0.1:6432').describe('PostgreSQL clients.'),
        ssh: address.optional().describe('SSH clients.'),
      })
      .prefault({})
      .describe('Where the gateway listens.'),
    publicUrl: urlOf(['https', 'http'])
      .optional()
      .describe('Start of every link in messages; default: the console.'),
    store: z
      .strictObject({
        postgres: z
          .union(
            [z.literal('embedded'), urlOf(['postgres', 'postgresql'])],
            'write embedded, or postgres://user@host/database',
          )
          .describe('embedded, or the address of a PostgreSQL 15 or later.'),
      })
      .prefault({ postgres: 'embedded' })
      .describe('Where requests and records are kept.'),
    queue: z
      .discriminatedUnion('backend', [
        z.strictObject({ backend: z.literal('postgres') }),
        z.strictObject({
          backend: z.literal('redis'),
          url: z
            .string('the redis backend needs url: redis://host:port')
            .pipe(urlOf(['redis', 'rediss']))
            .describe('redis://…'),
        }),
      ])
      .default({ backend: 'postgres' })
      .describe('What wakes the bot.'),
    policies: file.default('./policies').describe('Folder with *.cedar.'),
    dataDir: file.default('.countersign').describe("The installation's own files."),
    tls: z
      .strictObject({
        key: file.describe('PEM file, readable by the gateway only.'),
        cert: file.describe('PEM file with the chain.'),
      })
      .optional()
      .describe('Encryption towards clients.'),
    targets: z
      .record(name, target)
      .refine((all) => Object.keys(all).length > 0, 'name at least one target')
      .describe('What is reached through the gateway.'),
    people: z
      .record(email, person)
      .default({})
      .describe('Who may come, where no provider says so.'),
    groups: z
      .array(z.string().min(1))
      .default([])
      .describe('Groups that rules name and nobody here is in.'),
    chat: z
      .strictObject({
        channels: z.record(name, channel).default({}).describe('@channel("…") in the rules.'),
        slack: slack.optional(),
      })
      .prefault({})
      .describe('Where holds are shown.'),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
          .default('info')
          .describe('Least level written.'),
      })
      .prefault({})
      .describe("The product's own log."),
  })
  .meta({ title: 'countersign.yaml' });

export type File = z.output<typeof fileSchema>;

/** The JSON Schema of `countersign.yaml`, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(fileSchema, { io: 'input' }) };
}
