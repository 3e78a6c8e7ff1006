import { z } from 'zod';
import { parseVkey } from '../audit/tree/note.ts';
import { parseDuration } from '../policy/duration.ts';
import { address, duration, file, key, name, secret, timeZone, urlOf } from './keys.ts';

const VKEY = 'witness.example.com/w1+4bdc7eaa+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY';
const COMMAND = 'curl -fsS --data-binary @- https://notary.example.com/checkpoints';

const word = z.string().regex(/^[^\s+]+$/u, 'no spaces and no plus');

const vkey = z.string().superRefine((text, context) => {
  try {
    if (parseVkey(text).type !== 4) context.addIssue('this is the key of a log, not of a witness');
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : 'not a key');
  }
});

const witness = z.strictObject({
  url: key(
    urlOf(['http', 'https']),
    'Where it listens: what stands before `/add-checkpoint`.',
    'https://witness.example.com',
  ),
  key: key(vkey, 'Its verifier key, as `countersign audit witness` prints it.', VKEY),
});

const anchor = z
  .strictObject({
    git: key(
      z
        .string()
        .regex(/^[^-\s][^\s]*$/, 'a path or an address, without spaces')
        .optional(),
      'A git repository, by path or address: each checkpoint becomes a commit on `branch`. ssh and credentials are as git has them for the user that runs the gateway.',
      'git@git.example.com:audit/anchors.git',
    ),
    branch: key(
      z
        .string()
        .regex(/^[\w][\w/-]*$/, 'letters, digits, slashes and dashes')
        .default('checkpoints'),
      'Of the git repository.',
      'checkpoints',
    ),
    chat: key(
      z.string().min(1).optional(),
      'A channel under `chat.channels`: the bot posts each checkpoint there.',
      'db-approvals',
    ),
    command: key(
      z.string().min(1).optional(),
      'A shell command that lays the checkpoint down; it reads it from its input, and fails when it cannot.',
      COMMAND,
    ),
    every: key(
      duration.optional(),
      'How often, if there is a newer one; default: `1h`, and `1d` in chat.',
      '10m',
    ),
  })
  .refine(
    ({ git, chat, command }) =>
      [git, chat, command].filter((one) => one !== undefined).length === 1,
    'name its git repository, its chat channel or its command, one of them',
  );

const since = key(
  z.enum(['start', 'now']).default('start'),
  'Where it begins: `start`, with the first record there is, or `now`.',
  'now',
);
const web = (about: string, example: string) => key(urlOf(['https', 'http']), about, example);

const sink = z.discriminatedUnion('type', [
  z.strictObject({
    type: key(z.literal('file'), '`file`, `splunk`, `otlp` or `syslog`.', 'file'),
    since,
    path: key(file, 'One JSON object a line is added to it.', './export/records.ndjson'),
  }),
  z.strictObject({
    type: key(z.literal('splunk'), 'HTTP Event Collector.', 'splunk'),
    since,
    url: web('Its address, without a path.', 'https://splunk.example.com:8088'),
    token: key(secret, 'Secret: the token of the collector.', '${file:./secrets/splunk}'),
  }),
  z.strictObject({
    type: key(z.literal('otlp'), 'OpenTelemetry logs over HTTP.', 'otlp'),
    since,
    url: web('Its address, without a path.', 'https://collector.example.com:4318'),
    headers: key(
      z
        .record(
          z.string().regex(/^[\w-]+$/),
          key(secret, 'Secret: one value.', '${env:OTLP_TOKEN}'),
        )
        .default({}),
      'Headers of its requests.',
      { authorization: '${file:./secrets/otlp}' },
    ),
  }),
  z.strictObject({
    type: key(z.literal('syslog'), 'Syslog (RFC 5424) over TLS.', 'syslog'),
    since,
    server: key(address, 'Its address.', 'syslog.example.com:6514'),
    ca: key(
      file.optional(),
      "PEM file with the authority of its certificate; default: the system's.",
      './tls/syslog-ca.pem',
    ),
  }),
]);

const heartbeat = duration.refine(
  (text) => {
    const ms = parseDuration(text) ?? 0;
    return ms >= 1_000 && ms <= 60_000;
  },
  { error: 'a heartbeat comes every 1s to 60s' },
);

/** In the order of ISO 8601, which counts them from 1. */
export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const clock = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'a time of the day such as 07:00');
const workingHours = z
  .strictObject({
    from: key(clock, 'When it begins.', '07:00'),
    to: key(clock, 'When it ends, on the same day.', '19:00'),
    days: key(
      z.array(z.enum(DAYS)).min(1).default(['mon', 'tue', 'wed', 'thu', 'fri']),
      'On which days.',
      ['mon', 'tue', 'wed', 'thu', 'fri'],
    ),
    timeZone: key(timeZone.default('UTC'), 'Where.', 'Europe/Berlin'),
  })
  .refine(({ from, to }) => from < to, 'it ends before it begins');

/** The tree over all records: who signs it, who watches that, and where its heads are laid down. */
export const audit = z
  .strictObject({
    origin: key(
      word.optional(),
      'What the log is called in its checkpoints; fixed once it has signed one. Default: the public URL without its scheme, and `/log`.',
      'countersign.example.com/log',
    ),
    key: key(
      file.optional(),
      'Private key of the signer, which is made when it is missing; default: `log/signer.pem` in `dataDir`.',
      './keys/signer.pem',
    ),
    signer: key(
      z.array(z.string().min(1)).min(1).optional(),
      'The program that signs and its arguments, instead of the gateway’s own child: `countersign audit signer` under another user or on another machine.',
      [
        'sudo',
        '-u',
        'signer',
        'countersign',
        'audit',
        'signer',
        '--key',
        '/var/lib/signer/key.pem',
      ],
    ),
    writer: key(
      z.array(z.string().min(1)).min(1).optional(),
      'The program that holds the key which this gateway signs its own records with, and its arguments; default: the key in `log/writer.pem` of `dataDir`, made when it is missing.',
      ['/usr/local/bin/writer-key', 'alias/countersign'],
    ),
    heartbeat: key(
      heartbeat.default('5s'),
      'How often a gateway records that it is there, 1s to 60s; one that has not for three times as long is named as silent.',
      '10s',
    ),
    witnesses: key(
      z
        .record(
          name,
          key(witness, 'One witness.', { url: 'https://witness.example.com', key: VKEY }),
        )
        .default({}),
      'Who cosigns each checkpoint.',
      { security: { url: 'https://witness.example.com', key: VKEY } },
    ),
    quorum: key(
      z.int().min(0).optional(),
      'How many witnesses make a checkpoint witnessed; default: all of them.',
      1,
    ),
    anchors: key(
      z
        .record(name, key(anchor, 'One place.', { git: '/srv/anchors.git', every: '10m' }))
        .default({}),
      'Where checkpoints are laid down, outside the store.',
      { git: { git: '/srv/anchors.git', every: '10m' } },
    ),
    export: key(
      z
        .record(name, key(sink, 'One place.', { type: 'file', path: './export/records.ndjson' }))
        .default({}),
      'Where every record is sent, as events of OCSF 1.8.',
      {
        siem: {
          type: 'splunk',
          url: 'https://splunk.example.com:8088',
          token: '${file:./secrets/splunk}',
        },
      },
    ),
    confirmErasure: key(
      z.boolean().default(false),
      'What one member of `security` asks to be erased, another one has to confirm.',
      true,
    ),
    workingHours: key(
      workingHours.optional(),
      'When people usually work: summaries name what was done at other times. Without it they do not.',
      { from: '07:00', to: '19:00', timeZone: 'Europe/Berlin' },
    ),
    serve: key(
      z.boolean().default(true),
      'The log is served to everybody who reaches the console, below `/log/`: it holds commitments, never what happened.',
      false,
    ),
  })
  .prefault({});
