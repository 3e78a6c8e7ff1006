import { z } from 'zod';
import { LOGIN, USER_TEMPLATE } from './person-login.ts';
import { duration, file, key, name, secret, size, timeZone, urlOf } from './keys.ts';

/** The least that a target needs. */
export const shop = {
  protocol: 'postgres',
  url: 'postgres://gateway@shop.internal/shop',
  password: '${file:./secrets/shop}',
  analyser: { user: 'analyser', password: '${file:./secrets/shop-analyser}' },
};

export const target = z.strictObject({
  protocol: key(z.literal('postgres'), 'What the target speaks.', 'postgres'),
  environment: key(name.default('production'), '`Environment::"…"` in rules.', 'staging'),
  timeZone: key(timeZone.default('UTC'), 'Whose hour and weekday rules ask for.', 'Europe/Berlin'),
  url: key(
    urlOf(['postgres', 'postgresql']),
    '`postgres://user@host:port/database`, without password and parameters; without a user where `user` says it.',
    'postgres://gateway@shop.internal:5432/shop',
  ),
  user: key(
    z
      .string()
      .regex(
        USER_TEMPLATE,
        `not a template: write "${LOGIN}", or lower case letters, digits, _ and - around it`,
      )
      .optional(),
    'Each person logs in as a role of their own: `{{person.login}}` stands for what is before the @ of their address.',
    LOGIN,
  ),
  password: key(
    secret,
    "Secret, by reference only: the password of the gateway's role at the target. Looked up at each use. With `user`, `{{person.login}}` may stand in the reference, as in `tls.cert` and `tls.key`.",
    '${file:./secrets/shop}',
  ),
  passwordCache: key(
    duration.default('5m'),
    'How long what a `${command:…}` printed is used before it runs again; when the target refuses it, it runs at once.',
    '10m',
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
        "Secret, by reference only: the analyser role's password. Looked up at each use.",
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
        clearPassword: key(
          z.boolean().default(false),
          'The target may ask for the password itself inside TLS, as those of AWS, Azure and Google do for tokens; only with `verify-full`.',
          true,
        ),
      })
      .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), {
        error: 'cert and key come together: name both, or neither',
      })
      .refine(({ mode, channelBinding }) => mode !== 'disable' || channelBinding === 'prefer', {
        path: ['channelBinding'],
        error: 'there is no channel to bind to without TLS: set mode to verify-full',
      })
      .refine(({ mode, clearPassword }) => !clearPassword || mode === 'verify-full', {
        path: ['clearPassword'],
        error: 'whoever is on the way would read the password: set mode to verify-full',
      })
      .refine(
        ({ clearPassword, channelBinding }) => !clearPassword || channelBinding === 'prefer',
        {
          path: ['clearPassword'],
          error: 'a password that is sent is bound to no channel: take one of the two out',
        },
      )
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
          z.int().min(0).optional(),
          'How many rows of each result are recorded as they came; default: `recordings.rows`.',
          100,
        ),
        bytes: key(
          size.optional(),
          'How many bytes of each result; default: `recordings.bytes`.',
          '64KiB',
        ),
      })
      .prefault({}),
    'How much of this target’s results is recorded.',
    { rows: 100, bytes: '64KiB' },
  ),
  replication: key(
    z.boolean().default(false),
    'Whether people whom no rule limits may open replication connections.',
    true,
  ),
  channel: key(
    z.string().optional(),
    'A name of `chat.channels`, for holds whose rules name none.',
    'db-approvals',
  ),
});
