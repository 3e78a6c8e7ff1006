import { personKey } from '#src/identity/people.ts';
import type { Scope, TokenInfo } from '#src/identity/token.ts';
import { openTokens } from '#src/identity/tokens.ts';
import { parseDuration } from '#src/policy/duration.ts';
import type { Config } from '#src/config/config.ts';
import { parse, type Command, type Options } from './command.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { CONFIG_OPTION, openConfig } from './installation.ts';
import { withLog } from './store.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  scope: {
    type: 'string',
    value: 'SCOPES',
    about: 'issue: of connect, read, decide, with commas (default: connect,read)',
  },
  for: { type: 'string', value: 'TIME', about: 'issue: how long it lives, e.g. 8h (default), 30d' },
  label: { type: 'string', value: 'TEXT', about: 'issue: what it is for' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const tokenCommand: Command = {
  usage: [
    'token issue EMAIL [--scope SCOPES] [--for TIME] [--label TEXT]',
    'token list [EMAIL]',
    'token revoke ID',
  ],
  about:
    'Issues, lists and revokes access tokens, in the store itself: whoever can run this is the operator.\n' +
    'connect is a database password, read allows the API’s GETs, decide votes on requests.',
  options: OPTIONS,
  examples: [
    'countersign token issue jane@example.com --scope connect,read --for 8h --label laptop',
  ],
  run: token,
};

const MAX_LIFETIME_MS = 366 * 24 * 3_600_000;

async function token(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [action, subject, ...more] = positionals;
  if (more.length > 0) throw usageFailure(`what is ${more.join(' ')}?`, 'see --help');
  if (action === 'issue') return issue(subject, values, terminal);
  if (action === 'list') return list(subject, values, terminal);
  if (action === 'revoke') return revoke(subject, values, terminal);
  throw usageFailure(
    action === undefined ? 'which action?' : `unknown action ${action}`,
    'it is issue, list or revoke',
  );
}

type Values = ReturnType<typeof parse<typeof OPTIONS>>['values'];

async function issue(
  email: string | undefined,
  values: Values,
  terminal: Terminal,
): Promise<number> {
  if (email === undefined) throw usageFailure('for whom?', 'countersign token issue EMAIL');
  const scopes = scopesOf(values.scope ?? 'connect,read');
  const lifetime = parseDuration(values.for ?? '8h');
  if (lifetime === undefined || lifetime > MAX_LIFETIME_MS)
    throw usageFailure(`--for ${values.for} is not a time up to 366d`, 'write 30m, 8h or 30d');
  const { config } = await openConfig(values.config);
  checkPerson(config, email);
  const issued = await withLog(config, async (db, audit) => {
    const tokens = await openTokens(db, audit);
    return tokens.issue(email, scopes, values.label ?? '', lifetime);
  });
  if (values.json)
    terminal.out(JSON.stringify({ token: issued.token, ...issued.info }, undefined, 2));
  else {
    terminal.out(issued.token);
    terminal.err(
      `for ${issued.info.person}, ${scopes.join(' and ')}, until ${issued.info.expiresAt}; it is shown only now (id ${issued.info.id})`,
    );
  }
  return EXIT.done;
}

/** `connect,read` as scopes; refuses a name that is none. */
export function scopesOf(text: string): readonly Scope[] {
  const names = text.split(',').map((name) => name.trim());
  return [...new Set(names)].map((name) => {
    if (name === 'connect' || name === 'read' || name === 'decide') return name;
    throw usageFailure(
      `${name || 'an empty text'} is not a scope`,
      'it is connect, read or decide',
    );
  });
}

/** A token for somebody the configuration does not name would be refused at every use. */
function checkPerson(config: Config, email: string): void {
  const known = [...config.people.keys()];
  if (known.some((person) => personKey(person) === personKey(email))) return;
  throw new Failure(`the configuration names nobody called ${email}`, {
    exit: EXIT.usage,
    hint:
      known.length > 0 && known.length <= 12
        ? `it names ${known.join(', ')}`
        : 'add them under people:',
  });
}

async function list(
  email: string | undefined,
  values: Values,
  terminal: Terminal,
): Promise<number> {
  const { config } = await openConfig(values.config);
  const found = await withLog(config, async (db, audit) =>
    (await openTokens(db, audit)).list(email),
  );
  if (values.json) {
    terminal.out(JSON.stringify(found, undefined, 2));
    return EXIT.done;
  }
  const names = ['id', 'person', 'label', 'scopes', 'state', 'expires', 'last used'];
  const lines = renderTable(
    names.map((name) => ({ name, numeric: false })),
    found.map((info) => [
      info.id,
      info.person,
      info.label,
      info.scopes.join(','),
      stateOf(info, Date.now()),
      info.expiresAt,
      info.lastUsedAt ?? 'never',
    ]),
    { width: terminal.width, head: (t) => terminal.paint('bold', t), none: (t) => t },
  );
  for (const line of lines) terminal.out(line);
  return EXIT.done;
}

export function stateOf(info: TokenInfo, now: number): 'live' | 'expired' | 'revoked' {
  if (info.revokedAt !== undefined) return 'revoked';
  return Date.parse(info.expiresAt) > now ? 'live' : 'expired';
}

async function revoke(id: string | undefined, values: Values, terminal: Terminal): Promise<number> {
  if (id === undefined) throw usageFailure('which token?', 'countersign token list shows the ids');
  const { config } = await openConfig(values.config);
  const done = await withLog(config, async (db, audit) => (await openTokens(db, audit)).revoke(id));
  if (!done)
    throw new Failure(`no live token has the id ${id}`, {
      hint: 'countersign token list shows them',
    });
  if (values.json) terminal.out(JSON.stringify({ id, revoked: true }));
  else terminal.err(`revoked ${id}; nobody can sign in with it any more`);
  return EXIT.done;
}
