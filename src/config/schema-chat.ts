import { z } from 'zod';
import { address, key, secret, urlOf } from './keys.ts';

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
    z
      .union([z.literal(false), workspaces], {
        error:
          'false, or a list of the workspaces whose e-mail addresses your identity provider sets',
      })
      .default(false),
    'Workspaces in which a Slack account is the person with the same e-mail address, without that they have linked it. Only for workspaces where nobody can sign in but by your identity provider, and nobody can change their address.',
    ['T0123456'],
  ),
  usergroups: key(
    z
      .record(
        z.string().min(1),
        key(
          z.string().regex(/^S[A-Z0-9]+$/, 'the id of a Slack user group looks like S0123456'),
          "The user group's id, not its handle.",
          'S0123456',
        ),
      )
      .default({}),
    "Slack's user groups by the group of the directory or rota that they stand for: reminders and alarms notify them. It gives nobody a right.",
    { dba: 'S0123456' },
  ),
};
export const slack = z.discriminatedUnion('mode', [
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

export const channel = z
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
      z
        .string()
        .regex(/^19:[^\s/;]{1,200}$/, 'a Teams channel id looks like 19:0123…@thread.tacv2')
        .optional(),
      'The id of the Teams channel or group chat, as its link holds it (decoded).',
      '19:0123@thread.tacv2',
    ),
    private: key(
      z.boolean().default(false),
      'The Slack channel must be private: while it is public, its cards go to those who decide directly, and `/readyz` says so.',
      true,
    ),
  })
  .refine(
    (ids) => ids.slack !== undefined || ids.teams !== undefined,
    'name its slack or teams channel',
  );

const names = (...usual: [string, ...string[]]) =>
  z
    .array(z.string().regex(/^[^\s:]{1,100}$/, 'a reaction is named without colons and skin tone'))
    .default(usual);
export const reactions = z
  .strictObject({
    approve: key(names('white_check_mark'), 'Reactions that approve, ✅ unless others are named.', [
      'white_check_mark',
      '+1',
    ]),
    deny: key(names('x'), 'Reactions that deny, ❌ unless others are named.', ['x', 'no_entry']),
  })
  .refine(
    ({ approve, deny }) => !approve.some((name) => deny.includes(name)),
    'one reaction cannot approve and deny',
  )
  .prefault({});
