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

const commandTimeoutMs = 10_000;

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
