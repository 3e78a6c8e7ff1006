import { z } from 'zod';
import { parseDuration } from '../policy/duration.ts';
import { isTimeZone, parseAddress, parseSize } from './units.ts';

/** A text that `parse` understands; the message shows what was written and what would be right. */
const text = (parse: (value: string) => unknown, what: string, example: string) =>
  z.string().refine((value) => parse(value) !== undefined, {
    error: (issue) => `${JSON.stringify(issue.input)} is not ${what}: write ${example}`,
  });

/** A key with the two things that its line in the reference needs; the example is as one would write it. */
const key = <T extends z.ZodType>(type: T, description: string, example: unknown): T =>
  type.meta({ description, examples: [example] });

const duration = text(parseDuration, 'a duration', '5m');
const size = text(parseSize, 'a size', '1MiB');
const address = text(parseAddress, 'an address', '127.0.0.1:6432');
const timeZone = text((value) => isTimeZone(value) || undefined, 'a time zone', 'Europe/Berlin');
const secret = z.string().min(1);
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

/** The least that a target needs. */
const shop = {
  protocol: 'postgres',
  url: 'postgres://gateway@shop.internal/shop',
  password: '${file:./secrets/shop}',
  analyser: { user: 'analyser', password: '${file:./secrets/shop-analyser}' },
};

const target = z.strictObject({
  protocol: key(z.literal('postgres'), 'What the target speaks.', 'postgres'),
  environment: key(name.default('production'), '`Environment::"…"` in rules.', 'staging'),
  timeZone: key(timeZone.default('UTC'), 'Whose hour and weekday rules ask for.', 'Europe/Berlin'),
  url: key(
    urlOf(['postgres', 'postgresql']),
    '`postgres://user@host:port/database`, without password and parameters.',
    'postgres://gateway@shop.internal:5432/shop',
  ),
  password: key(
    secret,
    "Secret: the password of the gateway's role at the target. Looked up at each use.",
    '${file:./secrets/shop}',
  ),
  analyser: key(
    z.strictObject({
      user: key(
        z.string().min(1),
        'A role without table privileges, with SET on `log_min_messages`.',
        'analyser',
      ),
      password: key(
        secret,
        "Secret: the analyser role's password. Looked up at each use.",
        '${file:./secrets/shop-analyser}',
      ),
    }),
    'The role that only parses statements.',
    { user: 'analyser', password: '${file:./secrets/shop-analyser}' },
  ),
  tls: key(
    z
      .strictObject({
        mode: key(
          z.enum(['disable', 'require', 'verify-full']).default('verify-full'),
          '`disable`, `require` or `verify-full`, as `sslmode` of libpq.',
          'verify-full',
        ),
        ca: key(
          file.optional(),
          "PEM file with the target's certificate authority; default: the system's.",
          './tls/shop-ca.pem',
        ),
        cert: key(
          file.optional(),
          "PEM file with the gateway's own certificate, for targets that ask for one; with `key`.",
          './tls/gateway.pem',
        ),
        key: key(
          file.optional(),
          'PEM file with the key of `cert`, readable by the gateway only.',
          './tls/gateway.key',
        ),
        channelBinding: key(
          z.enum(['prefer', 'require']).default('prefer'),
          '`prefer` or `require`, as `channel_binding` of libpq.',
          'require',
        ),
      })
      .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), {
        error: 'cert and key come together: name both, or neither',
      })
      .prefault({}),
    'Encryption towards the target.',
    { mode: 'verify-full', ca: './tls/shop-ca.pem' },
  ),
  hold: key(
    z
      .strictObject({
        inTransaction: key(
          duration.default('5m'),
          'How long a hold may keep an open transaction, and its locks, waiting.',
          '2m',
        ),
        resend: key(
          duration.default('15m'),
          'For `@resend`, which has no effect in this version.',
          '15m',
        ),
      })
      .prefault({}),
    'Limits of holds.',
    { inTransaction: '2m' },
  ),
  record: key(
    z
      .strictObject({
        rows: key(
          z.int().min(0).default(1000),
          'Accepted; this version records how many rows came, not the rows.',
          1000,
        ),
        bytes: key(size.default('1MiB'), 'Accepted, as `rows`.', '1MiB'),
      })
      .prefault({}),
    'What is kept of results.',
    { rows: 1000, bytes: '1MiB' },
  ),
  channel: key(
    z.string().optional(),
    'A name of `chat.channels`, for holds whose rules name none.',
    'db-approvals',
  ),
});

const person = z.strictObject({
  name: key(z.string().min(1), 'As people read it.', 'Jane'),
  groups: key(z.array(z.string().min(1)).default([]), '`Group::"…"` in rules.', ['engineering']),
});

const workspaces = z
  .array(z.string().regex(/^[TE][A-Z0-9]+$/, 'a workspace id looks like T0123456'))
  .min(1);
const app = {
  botToken: key(secret, 'Secret, `xoxb-…`.', '${env:SLACK_BOT_TOKEN}'),
  appId: key(z.string().optional(), 'Calls of other apps are refused.', 'A0123456'),
  teams: key(workspaces, 'Workspaces whose members may decide.', ['T0123456']),
  apiUrl: key(
    urlOf(['https', 'http']).optional(),
    "Another Web API address, for tests; default: Slack's.",
    'http://127.0.0.1:9000/api/',
  ),
  matchEmail: key(
    z.literal(true).default(true),
    'A Slack account is the person with the same e-mail address; it cannot be switched off.',
    true,
  ),
};
const slack = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: key(
      z.literal('http'),
      '`http` (Slack calls you) or `socket` (Socket Mode: the gateway calls Slack, nothing has to reach it).',
      'http',
    ),
    ...app,
    signingSecret: key(
      secret,
      'Secret: proves that a request comes from Slack.',
      '${env:SLACK_SIGNING_SECRET}',
    ),
    listen: key(
      address,
      'Where Slack reaches the gateway, behind your HTTPS proxy.',
      '127.0.0.1:8081',
    ),
  }),
  z.strictObject({
    mode: key(z.literal('socket'), 'Socket Mode.', 'socket'),
    ...app,
    appToken: key(
      secret,
      'Secret, `xapp-…`, with the scope `connections:write`.',
      '${env:SLACK_APP_TOKEN}',
    ),
  }),
]);

const channel = z
  .strictObject({
    slack: key(
      z
        .string()
        .regex(/^[CG][A-Z0-9]+$/, 'a Slack channel id looks like C0123456')
        .optional(),
      "The Slack channel's id, not its name.",
      'C0123456',
    ),
    teams: key(
      z.string().min(1).optional(),
      'Accepted; this version does not post to Teams.',
      '19:0123@thread.tacv2',
    ),
  })
  .refine(
    (ids) => ids.slack !== undefined || ids.teams !== undefined,
    'name its slack or teams channel',
  );

const listen = z
  .strictObject({
    console: key(
      address.default('127.0.0.1:8080'),
      'Web console and API, in plain HTTP: beyond this machine, put an HTTPS proxy in front.',
      '127.0.0.1:8080',
    ),
    postgres: key(address.default('127.0.0.1:6432'), 'PostgreSQL clients.', '0.0.0.0:6432'),
    ssh: key(
      address.optional(),
      'Accepted, but nothing listens there in this version.',
      '127.0.0.1:6022',
    ),
  })
  .prefault({});

const store = z
  .strictObject({
    postgres: key(
      z.union(
        [z.literal('embedded'), urlOf(['postgres', 'postgresql'])],
        'write embedded, or postgres://user@host/database',
      ),
      '`embedded`, or `postgres://user@host/database` (PostgreSQL 15 or later); may hold secrets. ' +
        'Refused when `fsync`, `full_page_writes` or `synchronous_commit` is off.',
      'postgres://countersign:${file:./secrets/store}@db.internal/countersign',
    ),
  })
  .prefault({ postgres: 'embedded' });

const queue = z
  .discriminatedUnion('backend', [
    z.strictObject({
      backend: key(z.literal('postgres'), '`postgres` (in the store) or `redis`.', 'postgres'),
    }),
    z.strictObject({
      backend: key(z.literal('redis'), 'Redis or Valkey.', 'redis'),
      url: key(
        z.string('the redis backend needs url: redis://host:port').pipe(urlOf(['redis', 'rediss'])),
        'Secret, `redis://…` or `rediss://…`; with `backend: redis` only.',
        'redis://queue.internal:6379',
      ),
    }),
  ])
  .default({ backend: 'postgres' });

const tls = z
  .strictObject({
    key: key(file, 'PEM file, readable by the gateway only.', './tls/key.pem'),
    cert: key(file, 'PEM file with the chain.', './tls/chain.pem'),
    required: key(z.boolean().default(false), 'Clear text is refused even on loopback.', true),
    clientCa: key(
      file.optional(),
      "PEM file with the authority of clients' certificates.",
      './tls/clients.pem',
    ),
    clientCert: key(
      z.enum(['none', 'optional', 'required']).optional(),
      "Whether a client shows a certificate in the person's name: `none`, `optional` or `required`; " +
        'default: `required` with `clientCa`, else `none`.',
      'optional',
    ),
    console: key(z.boolean().default(false), 'Console and API speak HTTPS themselves.', true),
  })
  .refine(({ clientCa, clientCert = 'none' }) => clientCert === 'none' || clientCa !== undefined, {
    path: ['clientCa'],
    error: "is missing: clients' certificates are checked against it",
  })
  .optional();

/** The whole file. Every object is strict: an unknown key is an error. */
export const fileSchema = z
  .strictObject({
    name: key(
      name,
      "The installation, as logs and the log's writer are called; each running gateway on a store needs its own.",
      'acme',
    ),
    listen: key(listen, 'Where the gateway listens.', { postgres: '0.0.0.0:6432' }),
    publicUrl: key(
      urlOf(['https', 'http']).optional(),
      "Start of every link in messages; default: the console's address.",
      'https://countersign.example.com',
    ),
    store: key(store, 'Where requests and records are kept.', { postgres: 'embedded' }),
    queue: key(queue, 'What wakes the bot.', { backend: 'postgres' }),
    policies: key(
      file.default('./policies'),
      'Folder with the rules, `*.cedar`; a change there takes effect at once.',
      './policies',
    ),
    dataDir: key(
      file.default('.countersign'),
      "The installation's own files, the embedded store among them.",
      '/var/lib/countersign',
    ),
    tls: key(tls, 'Encryption towards PostgreSQL clients.', {
      key: './tls/key.pem',
      cert: './tls/chain.pem',
    }),
    targets: key(
      z
        .record(name, key(target, 'A database that is reached through the gateway.', shop))
        .refine((all) => Object.keys(all).length > 0, 'name at least one target'),
      'What is reached through the gateway, by name: clients write `dbname=NAME` or `dbname=NAME/database`.',
      { shop },
    ),
    people: key(
      z.record(email, key(person, 'Somebody who may come.', { name: 'Jane' })).default({}),
      'Who may come, by e-mail address.',
      { 'jane@example.com': { name: 'Jane', groups: ['engineering'] } },
    ),
    groups: key(
      z.array(z.string().min(1)).default([]),
      'Further groups that rules name, and that nobody is in yet.',
      ['oncall'],
    ),
    chat: key(
      z
        .strictObject({
          channels: key(
            z.record(name, key(channel, 'One channel.', { slack: 'C0123456' })).default({}),
            '`@channel("NAME")` in rules.',
            { 'db-approvals': { slack: 'C0123456' } },
          ),
          slack: key(slack.optional(), 'The Slack app.', {
            mode: 'http',
            botToken: '${env:SLACK_BOT_TOKEN}',
            signingSecret: '${env:SLACK_SIGNING_SECRET}',
            teams: ['T0123456'],
            listen: '127.0.0.1:8081',
          }),
        })
        .prefault({}),
      'Where holds are shown.',
      { channels: { 'db-approvals': { slack: 'C0123456' } } },
    ),
    log: key(
      z
        .strictObject({
          level: key(
            z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
            'Least level written: `trace`, `debug`, `info`, `warn`, `error`, `fatal`.',
            'debug',
          ),
        })
        .prefault({}),
      "The product's own log.",
      { level: 'debug' },
    ),
  })
  .meta({ title: 'countersign.yaml' });

export type File = z.output<typeof fileSchema>;

/** The JSON Schema of `countersign.yaml`, for editors. */
export function jsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(fileSchema, { io: 'input' }) };
}
