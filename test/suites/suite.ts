import { execFile, type ExecFileOptions } from 'node:child_process';
import type { Server } from './server.ts';

/** Where a suite connects: past the gateway, or through it. */
export type Where = {
  readonly way: 'direct' | 'gateway';
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly server: Server;
};

/** By test: did it pass? A test that was skipped is left out. */
export type Results = ReadonlyMap<string, boolean>;

export type Suite = {
  readonly name: string;
  /** Databases of the server, each a target of the same name. They are made anew before each run. */
  readonly databases: readonly string[];
  /** Databases that are there already, and are targets too. */
  readonly others?: readonly string[];
  /** It compares the user's name with the server's: the target's role is then called as the person is. */
  readonly namedAlike?: boolean;
  /** Fetches and builds what it needs; rejects with why it cannot be had. */
  prepare(): Promise<void>;
  run(where: Where): Promise<Results>;
};

export type Ran = { readonly code: number; readonly out: string };

/** Runs a program to its end, at most half an hour; its two outputs as one. */
export function run(
  file: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      { maxBuffer: 1e9, timeout: 1_800_000, ...options, encoding: 'utf8' },
      (error, out, err) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
        resolve({ code, out: `${out}${err}` });
      },
    );
  });
}

/** As `run`, and throws with the end of what it said when it fails. */
export async function must(
  file: string,
  args: readonly string[],
  options?: ExecFileOptions,
): Promise<string> {
  const { code, out } = await run(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${out.slice(-2_000)}`);
  return out;
}

/** libpq's environment. */
export function pgEnv({ port, user, password }: Where, database: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    PGSSLMODE: 'disable',
  };
}
