import { z } from 'zod';
import { lengthOf } from '#src/approval/access.ts';
import type { Api } from './api.ts';
import { apisFor } from './apis.ts';
import { parse, type Command, type Options } from './command.ts';
import { IDENTITY_OPTIONS } from './connection.ts';
import { EXIT, usageFailure } from './failure.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: engineer)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  for: { type: 'string', value: 'TIME', about: 'ask: how long, as 45m or 2h (default: the most)' },
  start: { type: 'string', value: 'WHEN', about: 'ask: when it begins, ISO 8601' },
  reason: { type: 'string', value: 'TEXT', about: 'why' },
  wait: { type: 'boolean', about: 'ask: wait until it is decided' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const accessCommand: Command = {
  usage: [
    'access [list]',
    'access ask TARGET ROLE [--for TIME] [--start WHEN] [--reason TEXT] [--wait]',
    'access break-glass TARGET ROLE --reason TEXT [--for TIME]',
    'access end GRANT [--reason TEXT]',
    'access review GRANT --reason TEXT',
  ],
  about:
    'Asks for a role for a time, says what you have and may ask for, and gives it back.\n' +
    'break-glass takes a role at once where a rule lets you; everybody who approves is told, and somebody else reviews it.',
  options: OPTIONS,
  examples: [
    'countersign access',
    'countersign access ask shop writer --for 2h --reason "OPS-12: repair order 17" --wait',
  ],
  run: access,
};

const offers = z.object({
  offers: z.array(
    z.object({
      target: z.string(),
      role: z.string(),
      kind: z.enum(['access', 'break-glass']),
      longestMs: z.number(),
      approval: z.array(z.object({ group: z.string(), quorum: z.number() })),
      stepUp: z.boolean(),
    }),
  ),
});
const grant = z.object({
  id: z.string(),
  kind: z.string(),
  person: z.string(),
  target: z.string(),
  role: z.string(),
  state: z.string(),
  useBy: z.string().optional(),
  startsAt: z.string().optional(),
  endsAt: z.string().optional(),
  endedAt: z.string().optional(),
});
const grants = z.object({ grants: z.array(grant) });
const request = z.object({
  id: z.string(),
  state: z.string(),
  expiresAt: z.string(),
  requirement: z.object({
    groups: z.array(z.object({ group: z.string(), quorum: z.number() })),
    stepUpMs: z.number().optional(),
  }),
  decisions: z.array(z.object({ person: z.string(), decision: z.string(), reason: z.string() })),
  grant: grant.optional(),
});
type Request = z.infer<typeof request>;

const WAIT_MS = 2_000;

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];
type Apis = Awaited<ReturnType<typeof apisFor>>;

async function access(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action = 'list', first, second, ...more] = positionals;
  if (more.length > 0) throw usageFailure(`too much: ${more.join(' ')}`, 'see --help');
  const apis = await apisFor(values, action === 'review' ? 'security' : 'engineer');
  switch (action) {
    case 'list':
      return list(apis.reader, values.json === true, terminal);
    case 'ask':
    case 'break-glass':
      if (first === undefined || second === undefined)
        throw usageFailure('which role?', `countersign access ${action} TARGET ROLE`);
      return ask(apis.reader, { kind: action, target: first, role: second }, values, terminal);
    case 'end':
    case 'review':
      if (first === undefined)
        throw usageFailure('which grant?', `countersign access ${action} GRANT`);
      return close(apis, action, first, values, terminal);
    default:
      throw usageFailure(`unknown action ${action}`, 'it is list, ask, break-glass, end or review');
  }
}

const print = (
  value: unknown,
  lines: readonly string[],
  json: unknown,
  terminal: Terminal,
): void => {
  if (json === true) terminal.out(JSON.stringify(value, undefined, 2));
  else for (const line of lines) terminal.out(line);
};

async function ask(
  api: Api,
  {
    kind,
    target,
    role,
  }: { readonly kind: 'ask' | 'break-glass'; readonly target: string; readonly role: string },
  values: Values,
  terminal: Terminal,
): Promise<number> {
  const body = {
    kind: kind === 'ask' ? 'access' : kind,
    target,
    role,
    reason: values.reason ?? '',
    ...(values.for !== undefined && { duration: values.for }),
    ...(values.start !== undefined && { start: values.start }),
  };
  const asked = await api.post('/requests', body, request);
  const done = values.wait ? await decided(api, asked, terminal) : asked;
  print(done, progress(done), values.json, terminal);
  return exitOf(done);
}

async function close(
  { decider }: Apis,
  action: 'end' | 'review',
  id: string,
  { reason = '', json }: Values,
  terminal: Terminal,
): Promise<number> {
  const path = `/grants/${encodeURIComponent(id)}`;
  const now =
    action === 'end'
      ? await decider.delete(path, { reason }, grant)
      : await decider.post(`${path}/review`, { review: reason }, grant);
  const done = action === 'end' ? 'ended' : 'reviewed';
  print(now, [`${now.role} on ${now.target} of ${now.person} is ${done}`], json, terminal);
  return EXIT.done;
}

async function list(api: Api, json: boolean, terminal: Terminal): Promise<number> {
  const [have, may] = await Promise.all([api.get('/grants', grants), api.get('/access', offers)]);
  if (json) {
    terminal.out(JSON.stringify({ ...have, ...may }, undefined, 2));
    return EXIT.done;
  }
  const table = (names: readonly string[], rows: readonly (readonly string[])[]): void => {
    const lines = renderTable(
      names.map((name) => ({ name, numeric: false })),
      rows,
      { width: terminal.width, head: (t) => terminal.paint('bold', t), none: (t) => t },
    );
    for (const line of lines) terminal.out(line);
  };
  if (have.grants.length > 0)
    table(
      ['grant', 'who', 'target', 'role', 'state', 'until'],
      have.grants.map((one) => [
        one.id,
        one.person,
        one.target,
        one.role,
        one.state,
        one.endsAt ?? (one.useBy === undefined ? '' : `first use by ${one.useBy}`),
      ]),
    );
  else terminal.err('nobody has a role for a time that you may see');
  if (may.offers.length === 0) terminal.err('no rule lets you ask for a role');
  else
    table(
      ['target', 'role', 'how', 'at most', 'approved by'],
      may.offers.map(({ target, role, kind, longestMs, approval, stepUp }) => [
        target,
        role,
        kind === 'access' ? 'ask' : kind,
        lengthOf(longestMs),
        approval.length > 0
          ? approval.map(({ group, quorum }) => `${quorum} of ${group}`).join(', ')
          : stepUp
            ? 'nobody, after a fresh sign-in'
            : 'nobody',
      ]),
    );
  return EXIT.done;
}

/** Asks again until it is decided; the request expires by itself. */
async function decided(api: Api, asked: Request, terminal: Terminal): Promise<Request> {
  let now = asked;
  if (now.state === 'pending') for (const line of progress(now)) terminal.err(line);
  while (now.state === 'pending') {
    // oxlint-disable-next-line no-await-in-loop -- one question after the other
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    // oxlint-disable-next-line no-await-in-loop -- one question after the other
    now = await api.get(`/requests/${asked.id}`, request);
  }
  return now;
}

function progress({
  id,
  state,
  requirement,
  expiresAt,
  decisions,
  grant: given,
}: Request): string[] {
  if (given)
    return [
      given.startsAt === undefined
        ? `granted (${given.id}): it begins with your first connection, until ${given.useBy ?? 'it ends'}`
        : `granted (${given.id}): from ${given.startsAt} to ${given.endsAt ?? 'its end'}`,
    ];
  if (state !== 'pending') {
    const last = decisions.at(-1);
    return [`${state}${last ? ` by ${last.person}: ${last.reason}` : ''} (${id})`];
  }
  if (requirement.groups.length === 0)
    return [`waits for your fresh sign-in on its page in the console: /requests/${id}`];
  const who = requirement.groups.map(({ group, quorum }) => `${quorum} of ${group}`).join(', ');
  return [`waits for ${who} until ${expiresAt} (${id})`];
}

function exitOf({ state }: Request): number {
  if (state === 'granted' || state === 'pending') return EXIT.done;
  return state === 'denied' || state === 'refused' ? EXIT.refused : EXIT.ended;
}
