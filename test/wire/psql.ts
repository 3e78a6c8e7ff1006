import { type ExecFileException, execFile } from 'node:child_process';
import { PASSWORD } from './support.ts';

export type Outcome = { readonly code: number; readonly out: string; readonly err: string };

/** Debian's psql, with nothing of the machine's settings; it says hello. */
export function psql(
  connection: string,
  environment: Record<string, string> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: '/nonexistent',
      PGPASSWORD: PASSWORD,
      ...environment,
    };
    const args = ['-XAtq', '-c', 'hello', connection];
    const done = (error: ExecFileException | null, out: string, err: string): void =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    execFile('psql', args, { env, timeout: 20_000 }, done);
  });
}
