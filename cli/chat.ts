import { z } from 'zod';
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
  person: { type: 'string', value: 'EMAIL', about: 'list: of whom, for members of security' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const chatCommand: Command = {
  usage: ['chat [list] [--person EMAIL] [--json]', 'chat unlink ID'],
  about:
    'Lists the accounts in chat that act for you, and unlinks one.\n' +
    'An account is linked from chat: do something with Countersign there, and open the link that it gives you.',
  options: OPTIONS,
  examples: ['countersign chat', 'countersign chat unlink slack.T0123456.U0123456'],
  run: chat,
};

const accounts = z.object({
  accounts: z.array(
    z.object({
      id: z.string(),
      platform: z.string(),
      workspaceName: z.string(),
      name: z.string(),
      person: z.string(),
      how: z.string(),
      linkedAt: z.string(),
    }),
  ),
});

async function chat(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action = 'list', id, ...more] = positionals;
  if (more.length > 0) throw usageFailure(`too much: ${more.join(' ')}`, 'see --help');
  const { reader } = await apisFor(values, 'engineer');
  if (action === 'unlink') {
    if (id === undefined) throw usageFailure('which account?', 'countersign chat unlink ID');
    await reader.delete(
      `/chat-accounts/${encodeURIComponent(id)}`,
      undefined,
      z.object({ ended: z.literal(true) }),
    );
    terminal.err(`${id} is unlinked`);
    return EXIT.done;
  }
  if (action !== 'list' || id !== undefined)
    throw usageFailure(`unknown action ${action}`, 'it is list or unlink');
  const of = values.person === undefined ? '' : `?person=${encodeURIComponent(values.person)}`;
  const found = await reader.get(`/chat-accounts${of}`, accounts);
  if (values.json) terminal.out(JSON.stringify(found, undefined, 2));
  else if (found.accounts.length === 0) terminal.err('no account in chat is linked');
  else
    for (const line of renderTable(
      ['id', 'workspace', 'name', 'by', 'since'].map((name) => ({ name, numeric: false })),
      found.accounts.map((one) => [one.id, one.workspaceName, one.name, one.how, one.linkedAt]),
    ))
      terminal.out(line);
  return EXIT.done;
}
