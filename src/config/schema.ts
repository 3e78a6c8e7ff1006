import { z } from 'zod';
import { address, email, file, key, name, urlOf } from './keys.ts';
import { audit } from './schema-audit.ts';
import { channel, reactions, slack } from './schema-chat.ts';
import { teams } from './schema-teams.ts';
import { digest } from './schema-digest.ts';
import { identity } from './schema-identity.ts';
import { queue } from './schema-queue.ts';
import { oncall, owners } from './schema-who.ts';
import { recordings } from './schema-recordings.ts';
import { retention } from './schema-retention.ts';
import { shop, target } from './schema-target.ts';

const person = z.strictObject({
  name: key(z.string().min(1), 'As people read it.', 'Jane'),
  groups: key(z.array(z.string().min(1)).default([]), '`Group::"…"` in rules.', ['engineering']),
});

const listen = z
  .strictObject({
    console: key(
      address.default('127.0.0.1:8080'),
      'Web console and API, in plain HTTP unless tls.console is on: beyond this machine, put an HTTPS proxy in front.',
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
    owner: key(
      urlOf(['postgres', 'postgresql']).optional(),
      'The same database as the owner of the tables: migrations run as that role, and give the one of `postgres` its rights. ' +
        'That one can append to the log then, and never change it.',
      'postgres://countersign_owner:${file:./secrets/store-owner}@db.internal/countersign',
    ),
  })
  .prefault({ postgres: 'embedded' });

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
    certificateLogin: key(
      z.boolean().default(false),
      'Certificates of `countersign login --certificate` open PostgreSQL connections without a password.',
      true,
    ),
    console: key(z.boolean().default(false), 'Console and API speak HTTPS themselves.', true),
  })
  .refine(({ clientCa, clientCert = 'none' }) => clientCert === 'none' || clientCa !== undefined, {
    path: ['clientCa'],
    error: "is missing: clients' certificates are checked against it",
  })
  .refine(
    ({ certificateLogin, clientCa, clientCert = clientCa === undefined ? 'none' : 'required' }) =>
      !certificateLogin || clientCert !== 'required',
    {
      path: ['certificateLogin'],
      error:
        'cannot be true where clientCert is required (the default with clientCa): a client shows only one certificate',
    },
  )
  .optional();

const telemetry = z
  .strictObject({
    otlp: key(
      urlOf(['http', 'https']).optional(),
      'Collector of traces (OTLP over HTTP); default: `OTEL_EXPORTER_OTLP_ENDPOINT` of the environment, else no traces.',
      'http://127.0.0.1:4318',
    ),
    sample: key(
      z.number().min(0).max(1).default(0.1),
      'Share of the statements that are traced, 0 to 1.',
      0.1,
    ),
  })
  .prefault({});

const DIGEST = { channel: 'db-approvals', at: 'Mon-Fri 09:00', target: 'prod-*' };

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
    owners,
    oncall,
    identity: key(identity, 'How people, machines and agents prove who they are.', {
      providers: {
        acme: { protocol: 'oidc', issuer: 'https://id.example.com', clientId: 'countersign' },
      },
    }),
    chat: key(
      z
        .strictObject({
          channels: key(
            z.record(name, key(channel, 'One channel.', { slack: 'C0123456' })).default({}),
            '`@channel("NAME")` in rules.',
            { 'db-approvals': { slack: 'C0123456' } },
          ),
          digests: key(
            z.array(key(digest, 'One digest.', DIGEST)).default([]),
            'Summaries that channels get by the clock, `{ channel, at, timeZone, target, covers }`: `at` is `daily 08:30`, `Mon-Fri 09:00`, `weekly Mon 09:00` or `08:00,20:00`; `target` is what the channel may see, a target or a pattern with `*`.',
            [DIGEST],
          ),
          reactions: key(
            reactions,
            'What a reaction on a card says, where rules let it vote with `@reactions("vote")`.',
            { approve: ['white_check_mark'], deny: ['x'] },
          ),
          slack: key(slack.optional(), 'The Slack app.', {
            mode: 'http',
            botToken: '${env:SLACK_BOT_TOKEN}',
            signingSecret: '${env:SLACK_SIGNING_SECRET}',
            teams: ['T0123456'],
            listen: '127.0.0.1:8081',
          }),
          teams: key(teams.optional(), 'The bot in Microsoft Teams.', {
            appId: '11111111-2222-3333-4444-555555555555',
            appPassword: '${env:TEAMS_APP_PASSWORD}',
            tenants: ['22222222-3333-4444-5555-666666666666'],
            listen: '127.0.0.1:3978',
          }),
        })
        .prefault({}),
      'Where holds are shown.',
      { channels: { 'db-approvals': { slack: 'C0123456' } } },
    ),
    audit: key(
      audit,
      'The tree over all records: who signs it, who watches that, where its heads are laid down.',
      {
        quorum: 0,
      },
    ),
    recordings: key(recordings, 'How much of results is recorded, and where recordings are kept.', {
      rows: 100,
    }),
    retention: key(
      retention,
      'Rules `{ target, kind, keep }`: a target or a pattern with `*`; `records` or `recordings`; a number of days. The first that fits counts; what none fits is kept for good.',
      [{ target: '*', kind: 'records', keep: '400d' }],
    ),
    telemetry: key(telemetry, 'Where traces go.', { otlp: 'http://127.0.0.1:4318' }),
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
