import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const reference = /\$\{(env|file|command):([^}]+)\}/g;
/** Where references are looked up: relative paths from `base`, variables in `env`. */
export type Surroundings = {
  readonly base: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Looked up at each use, so that a rotated one works without a restart. `reference` is what was written. */
export type Secret = (() => Promise<string>) & {
  readonly reference?: string;
  /** Past what is kept of a command: what it is now, after `refused` was. */
  readonly renew?: (refused: string) => Promise<string>;
};

const commandTimeoutMs = 10_000;
const KEPT_MS = 60_000;
/** A wrong secret must not run its command at every login that it fails. */
const SETTLED_MS = 1_000;
const COMMAND = /\$\{command:[^}]+\}/;

/** The secret that a text refers to. What a command prints is kept for `keptMs`; files and variables are read each time. */
export function secretOf(text: string, around: Surroundings, keptMs = KEPT_MS): Secret {
  const look = (): Promise<string> => resolveSecret(text, around);
  if (!COMMAND.test(text)) return Object.assign(look, { reference: text, renew: look });
  let kept: { readonly value: Promise<string>; readonly at: number } | undefined;
  const fetch = (): Promise<string> => {
    const mine = { value: look(), at: performance.now() };
    kept = mine;
    // A failure is not kept: the next one asks again.
    mine.value.catch(() => kept === mine && (kept = undefined));
    return mine.value;
  };
  const age = (): number => (kept ? performance.now() - kept.at : Number.POSITIVE_INFINITY);
  const get = (): Promise<string> => (kept && age() < keptMs ? kept.value : fetch());
  return Object.assign(get, {
    reference: text,
    async renew(refused: string) {
      if ((await get()) === refused && age() >= SETTLED_MS) return fetch();
      return get();
    },
  });
}

/**
 * The text with every `${env:NAME}`, `${file:path}` and `${command:shell command}` replaced; paths are taken from
 * the base, and one line end after a file's or command's text is cut. Throws with the cause and never with a value.
 */
export async function resolveSecret(text: string, around: Surroundings): Promise<string> {
  let result = '';
  let end = 0;
  for (const match of text.matchAll(reference)) {
    const [whole, kind = '', what = ''] = match;
    result += text.slice(end, match.index) + (await lookUp(kind, what.trim(), around));
    end = match.index + whole.length;
  }
  const rest = text.slice(end);
  if (rest.includes('${'))
    throw new Error('a reference is not one of ${env:NAME}, ${file:path}, ${command:…}');
  return result + rest;
}

/** Undefined when the references can be looked up; commands are not run. */
export async function secretProblem(
  text: string,
  around: Surroundings,
): Promise<string | undefined> {
  try {
    await resolveSecret(text.replace(/\$\{command:[^}]+\}/g, ''), around);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'the secret cannot be read';
  }
}

async function lookUp(kind: string, what: string, { base, env }: Surroundings): Promise<string> {
  if (kind === 'env') {
    const value = env[what];
    if (value === undefined || value === '')
      throw new Error(`the environment has no ${what}: set it`);
    if (value.match(reference))
      throw new Error(
        `${what} holds a reference itself, which is not looked up: set it to the value`,
      );
    return value;
  }
  return kind === 'file' ? readSecretFile(resolve(base, what)) : runCommand(what, base);
}

/** Throws when others may read the file: a secret that is open to all is none. */
export async function readSecretFile(path: string): Promise<string> {
  const open = await stat(path).catch(() => undefined);
  if (open?.isDirectory()) throw new Error(`${path} is a folder: name the file in it`);
  if (!open?.isFile()) throw new Error(`there is no file ${path}: create it, with mode 0600`);
  if ((open.mode & 0o004) !== 0) throw new Error(`everybody may read ${path}: chmod 600 it`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new Error(`${path} cannot be read: give it to the user that runs Countersign`);
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw new Error(`${path} is empty: write the secret into it`);
  return value;
}

async function runCommand(command: string, base: string): Promise<string> {
  try {
    const options = { cwd: base, timeout: commandTimeoutMs, maxBuffer: 1 << 20 };
    const { stdout } = await run('/bin/sh', ['-c', command], options);
    const value = stdout.replace(/\r?\n$/, '');
    if (value !== '') return value;
  } catch {
    // What the command printed may hold the secret, so its output goes nowhere.
    throw new Error('the command of this secret failed: run it by hand to see why');
  }
  throw new Error('the command of this secret printed nothing: it must print the secret');
}
