import { readFile } from 'node:fs/promises';
import { columns, helpText, nearest, type Command, type Entry } from './command.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { printable, processTerminal, type Terminal } from './terminal.ts';

const demoCommand: Command = {
  usage: ['demo [--fresh] [--port-base N]'],
  about:
    'Starts a store, a sample database "shop", the gateway and the console, and prints a tour. Ctrl-C stops it all.',
  options: {
    fresh: { type: 'boolean', about: 'begin anew: forget the data of earlier runs' },
    'port-base': { type: 'string', value: 'N', about: 'move all ports, so that two demos can run' },
  },
  run: async (argv) => (await import('./demo.ts')).demo([...argv]),
};

/** Every command, loaded only when it is asked for: `--help` must not wait for parsers and drivers. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  demo: {
    summary: 'run everything here, with a sample database to try it on',
    load: () => Promise.resolve(demoCommand),
  },
  serve: {
    summary: 'run the gateway, the bot and the console',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  login: {
    summary: 'sign this terminal in, by a code that you confirm in the console',
    load: async () => (await import('./login.ts')).loginCommand,
  },
  logout: {
    summary: 'end that sign-in',
    load: async () => (await import('./logout.ts')).logoutCommand,
  },
  whoami: {
    summary: 'say who is signed in, and until when',
    load: async () => (await import('./whoami.ts')).whoamiCommand,
  },
  connect: {
    summary: 'open a local port to a target, or run a client on it',
    load: async () => (await import('./connect.ts')).connectCommand,
  },
  query: {
    summary: 'run SQL on a target through the gateway',
    load: async () => (await import('./query.ts')).queryCommand,
  },
  requests: {
    summary: 'list what waits for approval; approve or deny it',
    load: async () => (await import('./requests.ts')).requestsCommand,
  },
  access: {
    summary: 'ask for a role for a time; give it back',
    load: async () => (await import('./access.ts')).accessCommand,
  },
  away: {
    summary: 'say that you are away, and who decides in your place',
    load: async () => (await import('./away.ts')).awayCommand,
  },
  chat: {
    summary: 'list accounts in chat that act for you; unlink one',
    load: async () => (await import('./chat.ts')).chatCommand,
  },
  sessions: {
    summary: 'list sessions; end a running one',
    load: async () => (await import('./sessions.ts')).sessionsCommand,
  },
  replay: {
    summary: 'show what a session did and got, also while it runs',
    load: async () => (await import('./replay.ts')).replayCommand,
  },
  token: {
    summary: 'issue, list and revoke access tokens',
    load: async () => (await import('./token.ts')).tokenCommand,
  },
  policy: {
    summary: 'check the rules',
    load: async () => (await import('./policy.ts')).policyCommand,
  },
  audit: {
    summary: 'verify the audit log',
    load: async () => (await import('./audit.ts')).auditCommand,
  },
  doctor: {
    summary: 'check an installation, with the next step for what is wrong',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
  completions: {
    summary: 'print completions for bash, zsh or fish',
    load: async () => (await import('./completions.ts')).completionsCommand(COMMANDS),
  },
};

const OVERVIEW = [
  'Usage: countersign <command> [options]',
  '',
  'A gateway that has every risky statement countersigned by a second person before it runs.',
  '',
  'Commands:',
  ...columns(Object.entries(COMMANDS).map(([name, entry]) => [name, entry.summary])),
  '',
  'countersign <command> --help tells more; countersign --version prints the version.',
  'Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 refused by a rule, 4 expired or withdrawn.',
].join('\n');

/** Runs one command line (without the program's name) and resolves with the exit code; never rejects. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    return report(error, argv.includes('--debug'), terminal);
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    terminal.err(OVERVIEW);
    return EXIT.usage;
  }
  if (name === '--version' || name === '-V') {
    terminal.out(await version());
    return EXIT.done;
  }
  const helpOf = name === 'help' ? rest[0] : name;
  if (helpOf === undefined || helpOf === '--help' || helpOf === '-h') {
    terminal.out(OVERVIEW);
    return EXIT.done;
  }
  const command = await find(helpOf);
  if (name === 'help' || asksForHelp(rest)) {
    terminal.out(helpText(command));
    return EXIT.done;
  }
  return command.run(rest, terminal);
}

async function find(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry) return entry.load();
  const meant = nearest(name, Object.keys(COMMANDS));
  throw usageFailure(
    `unknown ${name.startsWith('-') ? 'option' : 'command'} ${printable(name)}`,
    meant === undefined ? 'countersign --help lists the commands' : `did you mean ${meant}?`,
  );
}

function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}

/** Message and hint; a stack only for those who ask, since most errors are about the user's own setup. */
function report(error: unknown, debug: boolean, terminal: Terminal): number {
  const message = error instanceof Error ? error.message : String(error);
  terminal.err(`countersign: ${message}`);
  if (error instanceof Failure && error.hint !== undefined) terminal.err(`  ${error.hint}`);
  if (debug && error instanceof Error) terminal.err(error.stack ?? '');
  else if (!(error instanceof Failure)) terminal.err('  --debug shows where this happened');
  return error instanceof Failure ? error.exit : EXIT.failed;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), processTerminal());
