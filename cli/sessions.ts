import { z } from 'zod';
import type { Api } from './api.ts';
import { apisFor } from './apis.ts';
import { integer, parse, type Command, type Options } from './command.ts';
import { IDENTITY_OPTIONS } from './connection.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { renderTable } from './table.ts';
import { clock, printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: security)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  state: { type: 'string', value: 'STATE', about: 'list: running (default), ended or all' },
  person: { type: 'string', value: 'PART', about: 'list: of people whose address has this in it' },
  target: { type: 'string', value: 'NAME', about: 'list: to this target' },
  limit: { type: 'string', value: 'N', about: 'list: at most so many (default 100)' },
  reason: { type: 'string', value: 'TEXT', about: 'end: why; the person in it reads it' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const sessionsCommand: Command = {
  usage: [
    'sessions [list] [--state STATE] [--person PART] [--target NAME]',
    'sessions end ID --reason TEXT',
  ],
  about:
    'Lists sessions on all gateways, and ends one: what runs in it is cancelled, what waits is withdrawn.\n' +
    'Everybody may end their own; of others, members of security with a token of scope decide.\n' +
    'ID may be shortened as long as it is unique among the running sessions.',
  options: OPTIONS,
  examples: ['countersign sessions', 'countersign sessions end 0199c0de --reason "runs too long"'],
  run: sessions,
};

const found = z.object({
  id: z.string(),
  person: z.string(),
  agent: z.string().optional(),
  target: z.string(),
  application: z.string(),
  client: z.string(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  endedBy: z.string().optional(),
  state: z.string(),
});
type Found = z.infer<typeof found>;
const listReply = z.object({ sessions: z.array(found) });

type Given = {
  readonly state?: string | undefined;
  readonly person?: string | undefined;
  readonly target?: string | undefined;
  readonly limit?: string | undefined;
  readonly json?: boolean | undefined;
};

async function sessions(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action = 'list', id, ...more] = positionals;
  if (more.length > 0) throw usageFailure(`one session at a time, not also ${more.join(' ')}`);
  if (action !== 'list' && action !== 'end')
    throw usageFailure(`unknown action ${printable(action)}`, 'it is list or end');
  if (action === 'list' && id !== undefined)
    throw usageFailure(`what is ${printable(id)}?`, 'countersign replay ID shows a session');
  if (action === 'end') return end(id, values, terminal);
  return list((await apisFor(values, 'security')).reader, values, terminal);
}

async function end(
  id: string | undefined,
  given: Parameters<typeof apisFor>[0] & Given & { readonly reason?: string | undefined },
  terminal: Terminal,
): Promise<number> {
  const { reason = '', json } = given;
  if (id === undefined) throw usageFailure('which session?', 'countersign sessions lists them');
  if (reason.trim() === '')
    throw usageFailure('why?', 'add --reason "…": the person in the session reads it');
  const { reader, decider } = await apisFor(given, 'security');
  const session = await findSession(reader, id, 'running');
  await decider.delete(`/sessions/${session}`, { reason }, z.object({ ended: z.literal(true) }));
  terminal.out(json ? JSON.stringify({ ended: session }) : `${session} has ended`);
  return EXIT.done;
}

async function list(api: Api, given: Given, terminal: Terminal): Promise<number> {
  const { state = 'running', person, target, limit, json } = given;
  if (!['running', 'ended', 'all'].includes(state))
    throw usageFailure(`unknown state ${printable(state)}`, 'it is running, ended or all');
  const query = new URLSearchParams({
    state,
    ...(person !== undefined && { person }),
    ...(target !== undefined && { target }),
    ...(limit !== undefined && { limit: String(integer(limit, 'limit', 1, 500)) }),
  });
  const all = (await api.get(`/sessions?${query.toString()}`, listReply)).sessions;
  if (json) terminal.out(JSON.stringify(all, undefined, 2));
  else if (all.length === 0) terminal.err(state === 'all' ? 'no sessions' : `no ${state} sessions`);
  else for (const line of table(all, terminal)) terminal.out(line);
  return EXIT.done;
}

function table(all: readonly Found[], terminal: Terminal): string[] {
  const columns = ['id', 'who', 'target', 'with', 'from', 'began', 'state'];
  return renderTable(
    columns.map((name) => ({ name, numeric: false })),
    all.map((session) => [
      session.id,
      session.agent === undefined ? session.person : `${session.person} (${session.agent})`,
      session.target,
      session.application,
      session.client,
      clock(session.startedAt),
      session.endedBy === undefined ? session.state : `${session.state} by ${session.endedBy}`,
    ]),
    {
      width: terminal.width,
      head: (text) => terminal.paint('bold', text),
      none: (text) => text,
    },
  );
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The id of a session that begins so, among the newest; rejects with `Failure` when it is none or several. */
export async function findSession(api: Api, id: string, state: 'running' | 'all'): Promise<string> {
  if (UUID.test(id)) return id.toLowerCase();
  if (!/^[0-9a-f-]{4,36}$/i.test(id))
    throw usageFailure(
      `${printable(id)} is no session`,
      'countersign sessions --state all lists them',
    );
  const all = (await api.get(`/sessions?state=${state}&limit=500`, listReply)).sessions;
  const [first, second] = all.filter((session) => session.id.startsWith(id.toLowerCase()));
  if (first && !second) return first.id;
  const which = state === 'running' ? 'running session' : 'session';
  throw new Failure(
    first ? `${id} begins more than one ${which}` : `no ${which} begins with ${id}`,
    {
      hint: 'countersign sessions --state all lists them',
    },
  );
}
