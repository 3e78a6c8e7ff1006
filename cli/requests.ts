import { createInterface } from 'node:readline/promises';
import { z } from 'zod';
import type { Api } from './api.ts';
import { apisFor } from './apis.ts';
import { parse, type Command, type Options } from './command.ts';
import { IDENTITY_OPTIONS } from './connection.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { renderTable } from './table.ts';
import { isTalk, say, TALK, type TalkAction } from './talk.ts';
import { printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  ...IDENTITY_OPTIONS,
  as: { type: 'string', value: 'WHO', about: "one of the demo's people (default: approver)" },
  api: { type: 'string', value: 'URL', about: 'address of the API, ends in /api/v1' },
  state: {
    type: 'string',
    value: 'STATE',
    about: 'list: pending (default), done, denied, expired, … or all',
  },
  reason: { type: 'string', value: 'TEXT', about: 'approve, deny: why; a denial needs one' },
  question: {
    type: 'string',
    value: 'ID',
    about: 'answer: which question, where several are open',
  },
  yes: { type: 'boolean', about: 'approve, deny: do not ask again' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const requestsCommand: Command = {
  usage: [
    'requests [list] [--state STATE]',
    'requests show ID',
    'requests approve ID [--reason TEXT] [--yes]',
    'requests deny ID --reason TEXT [--yes]',
    'requests ask ID "QUESTION"',
    'requests answer ID "ANSWER" [--question ID]',
    'requests hand-over ID GROUP',
    'requests remind ID',
  ],
  about:
    'Lists what waits for approval, decides it, and says something about it. Reading and reminding need a token with scope read,\n' +
    'answering about your own request one with scope connect, the rest one with scope decide.\n' +
    'ID may be shortened as long as it is unique among the pending requests.',
  options: OPTIONS,
  examples: [
    'countersign requests',
    'countersign requests approve 0199c0de --as approver2',
    'countersign requests answer 0199c0de "the customer called, ticket 4711"',
  ],
  run: requests,
};

const requestReply = z.object({
  id: z.string(),
  version: z.number(),
  state: z.string(),
  requirement: z.object({
    groups: z.array(z.object({ group: z.string(), quorum: z.number() })),
  }),
  card: z.object({
    person: z.object({ email: z.string(), name: z.string() }),
    target: z.string(),
    masked: z.string(),
    hidesWrite: z.boolean(),
    words: z.array(z.string()),
    rules: z.array(z.string()),
    message: z.string(),
    reason: z.string().optional(),
  }),
  decisions: z.array(z.object({ person: z.string(), decision: z.string(), reason: z.string() })),
  questions: z
    .array(
      z.object({
        id: z.string(),
        person: z.string(),
        text: z.string(),
        answer: z.object({ text: z.string() }).optional(),
      }),
    )
    .optional(),
  expiresAt: z.string(),
});
type Reply = z.infer<typeof requestReply>;
const listReply = z.object({ requests: z.array(requestReply) });

const ACTIONS = ['list', 'show', 'approve', 'deny', ...Object.keys(TALK)];

async function requests(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const { action, id, text } = asked(positionals);
  // Of the demo's people, who asked for it answers.
  const { reader, decider } = await apisFor(values, action === 'answer' ? 'engineer' : 'approver');
  if (action === 'list') return list(reader, values.state ?? 'pending', values.json, terminal);
  if (id === undefined) throw usageFailure('which request?', `countersign requests ${action} ID`);
  const request = await find(reader, id);
  if (isTalk(action)) {
    const api = action === 'ask' || action === 'hand-over' ? decider : reader;
    return saying(api, action, request, { ...values, text }, terminal);
  }
  if (action === 'approve' || action === 'deny')
    return decide(decider, action, request, values, terminal);
  if (values.json) terminal.out(JSON.stringify(request, undefined, 2));
  else for (const line of describe(request)) terminal.out(line);
  return EXIT.done;
}

function asked([action = 'list', id, ...rest]: readonly string[]) {
  if (!ACTIONS.includes(action))
    throw usageFailure(`unknown action ${action}`, `it is one of ${ACTIONS.join(', ')}`);
  const says = isTalk(action) && TALK[action].wants !== undefined;
  const [text, ...more] = says ? rest : [undefined, ...rest];
  if (more.length > 0) throw usageFailure(`one request at a time, not also ${more.join(' ')}`);
  return { action, id, text };
}

type Saying = {
  readonly text: string | undefined;
  readonly question?: string | undefined;
  readonly json?: boolean | undefined;
};

async function saying(
  api: Api,
  action: TalkAction,
  { id }: Reply,
  { text, question, json }: Saying,
  terminal: Terminal,
): Promise<number> {
  const request = await say(api, action, id, { text, question }, requestReply);
  terminal.out(json ? JSON.stringify(request, undefined, 2) : `${id}: ${TALK[action].done}`);
  return EXIT.done;
}

type Choice = {
  readonly reason?: string | undefined;
  readonly yes?: boolean | undefined;
  readonly json?: boolean | undefined;
};

async function decide(
  api: Api,
  decision: 'approve' | 'deny',
  request: Reply,
  { reason = '', yes, json }: Choice,
  terminal: Terminal,
): Promise<number> {
  if (decision === 'deny' && reason.trim() === '')
    throw usageFailure('a denial needs a reason', 'add --reason "…"');
  // Decided already: the API says by whom, and a question would promise a choice.
  if (!yes && request.state === 'pending') await confirm(decision, request, terminal);
  // The version is what was shown: if the request has moved since, the API refuses as stale.
  const body = { decision, reason, version: request.version };
  const path = `/requests/${encodeURIComponent(request.id)}/decision`;
  const decided = await api.post(path, body, requestReply);
  terminal.out(
    json ? JSON.stringify(decided, undefined, 2) : `${decided.id} is ${progress(decided)}`,
  );
  return EXIT.done;
}

async function list(
  api: Api,
  state: string,
  json: boolean | undefined,
  terminal: Terminal,
): Promise<number> {
  const query = state === 'all' ? '' : `?state=${encodeURIComponent(state)}`;
  const found = (await api.get(`/requests${query}`, listReply)).requests;
  if (json) {
    terminal.out(JSON.stringify(found, undefined, 2));
    return EXIT.done;
  }
  if (found.length === 0) {
    terminal.err(state === 'all' ? 'no requests' : `no ${printable(state)} requests`);
    return EXIT.done;
  }
  const columns = ['id', 'who', 'target', 'asks', 'rule', 'state', 'expires'];
  const lines = renderTable(
    columns.map((name) => ({ name, numeric: false })),
    found.map(({ id, card, state: now, expiresAt }) => [
      id,
      card.person.email,
      card.target,
      card.masked === '' ? card.words.join('; ') : card.masked,
      card.rules.join(', '),
      now,
      expiresAt,
    ]),
    { width: terminal.width, head: (t) => terminal.paint('bold', t), none: (t) => t },
  );
  for (const line of lines) terminal.out(line);
  return EXIT.done;
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

async function find(api: Api, id: string): Promise<Reply> {
  if (UUID.test(id)) return api.get(`/requests/${id}`, requestReply);
  const pending = (await api.get('/requests?state=pending', listReply)).requests;
  const [first, second] = pending.filter((request) => request.id.startsWith(id.toLowerCase()));
  if (first && !second) return first;
  throw new Failure(
    first ? `${id} begins more than one pending request` : `no pending request begins with ${id}`,
    { hint: 'countersign requests lists them' },
  );
}

/** What an approver reads before deciding; the statement is masked as everywhere outside the gateway. */
export function describe(request: Reply): string[] {
  const { card } = request;
  const rows: [string, string | undefined][] = [
    ['request', `${request.id} (${progress(request)})`],
    ['who', `${card.person.name} <${card.person.email}>`],
    ['target', card.target],
    ['statement', card.masked === '' ? undefined : card.masked],
    [card.masked === '' ? 'asks' : 'effect', card.words.join('; ')],
    ['held by', [card.rules.join(', '), card.message].filter((text) => text !== '').join(': ')],
    ['reason', card.reason],
    ['expires', request.expiresAt],
    ...request.decisions.map((d): [string, string] => [
      d.decision,
      `${d.person}${d.reason ? `: ${d.reason}` : ''}`,
    ]),
    ...(request.questions ?? []).flatMap((q): [string, string | undefined][] => [
      ['question', `${q.person}: ${q.text}${q.answer ? '' : ` (open, ${q.id})`}`],
      ['answer', q.answer?.text],
    ]),
    [
      'note',
      card.hidesWrite ? 'part of this write is masked; the console shows it whole' : undefined,
    ],
  ];
  return rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(10)}${printable(value)}`],
  );
}

/** `pending, 1 of 2 approved`, or the state. */
function progress(request: Reply): string {
  if (request.state !== 'pending') return request.state;
  const needed = request.requirement.groups.reduce((sum, { quorum }) => sum + quorum, 0);
  const had = request.decisions.filter((d) => d.decision === 'approve').length;
  return `pending, ${had} of ${needed} approved`;
}

async function confirm(action: string, request: Reply, terminal: Terminal): Promise<void> {
  for (const line of describe(request)) terminal.err(line);
  if (!process.stdin.isTTY) throw usageFailure(`${action} without asking?`, 'add --yes');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question(`${action}? [y/N] `);
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new Failure('not decided');
  } finally {
    prompt.close();
  }
}
