import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { childEnvironment } from '#src/config/user.ts';
import { EXIT, Failure } from '../failure.ts';
import type { LocalEnd } from './local.ts';

/** What libpq and its like would otherwise take in place of, or hold against, the local end. */
const OUT = [
  'PGHOSTADDR',
  'PGSERVICE',
  'PGPASSFILE',
  'PGCHANNELBINDING',
  'PGREQUIREAUTH',
  'PGSSLNEGOTIATION',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
];

/** The environment in which a client finds the local end. Only processes of the same user can read it. */
export function clientEnvironment(
  { host, port, password }: Pick<LocalEnd, 'host' | 'port' | 'password'>,
  { email, target }: { readonly email: string; readonly target: string },
): Readonly<Record<string, string | undefined>> {
  return {
    ...Object.fromEntries(OUT.map((name) => [name, undefined])),
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: email,
    PGDATABASE: target,
    PGPASSWORD: password,
    // It does not leave this machine; from here on it is encrypted as the gateway says.
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
  };
}

/** Runs a client with these variables, on our own terminal. Resolves with its exit code; 128 + N when signal N ended it. */
export async function runClient(
  [file = '', ...args]: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  let child: ChildProcess | undefined;
  const kill = (signal: NodeJS.Signals) => (): void => void child?.kill(signal);
  const handlers = {
    // A terminal's Ctrl-C reaches the client by itself, being of the same group: to psql it means "stop the query".
    SIGINT: () => void (process.stdin.isTTY || child?.kill('SIGINT')),
    SIGQUIT: () => void (process.stdin.isTTY || child?.kill('SIGQUIT')),
    SIGTERM: kill('SIGTERM'),
    SIGHUP: kill('SIGHUP'),
    // The launcher ends the channel when it dies itself.
    disconnect: kill('SIGTERM'),
  };
  // Before the client is there: a signal must not end us and leave it behind.
  for (const [event, handler] of Object.entries(handlers)) process.on(event, handler);
  try {
    const started = spawn(file, args, { stdio: 'inherit', env: childEnvironment(variables) });
    child = started;
    return await new Promise<number>((resolve, reject) => {
      started.on('error', (cause) =>
        reject(
          new Failure(`${file} cannot be run`, {
            hint: 'is it installed?',
            exit: EXIT.failed,
            cause,
          }),
        ),
      );
      started.on('close', (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    for (const [event, handler] of Object.entries(handlers)) process.off(event, handler);
  }
}
