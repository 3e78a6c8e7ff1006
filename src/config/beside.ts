import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Owners } from '../policy/owners.ts';
import { at, keysOf, pathText, type ConfigProblem } from './node.ts';
import { parseOwners } from './owners.ts';
import { parseRota, type Shift } from './rota.ts';

/** Who is on call: by shifts of a file, or as a command prints it (e-mail addresses, one a line). */
export type RotaConfig =
  | { readonly shifts: readonly Shift[] }
  /** It runs in this folder. */
  | { readonly command: string; readonly folder: string };

/** What stands in files that the configuration names, and is read again with it. */
export type Beside = {
  readonly owners?: Owners;
  readonly oncall: ReadonlyMap<string, RotaConfig>;
  /** Absolute, with what stood there; undefined where nothing could be read. */
  readonly files: readonly { readonly path: string; readonly text: string | undefined }[];
  readonly problems: readonly ConfigProblem[];
};

type Reading = {
  readonly base: string;
  readonly files: { path: string; text: string | undefined }[];
  readonly problems: ConfigProblem[];
};

/** Looks at the text as it was written, beside the schema. */
export async function readBeside(raw: unknown, base: string): Promise<Beside> {
  const reading: Reading = { base, files: [], problems: [] };
  const owners = await readFor(reading, 'owners', at(raw, 'owners'), parseOwners);
  const oncall = new Map<string, RotaConfig>();
  for (const rota of keysOf(at(raw, 'oncall'))) {
    const command = at(raw, 'oncall', rota, 'command');
    if (typeof command === 'string') oncall.set(rota, { command, folder: base });
    const path = pathText(['oncall', rota, 'rota']);
    // oxlint-disable-next-line no-await-in-loop -- a few small files
    const read = await readFor(reading, path, at(raw, 'oncall', rota, 'rota'), parseRota);
    if (read) oncall.set(rota, read);
  }
  const { files, problems } = reading;
  return { ...owners, oncall, files, problems };
}

/** What stands in the file that a key names; undefined when there is none, or something is wrong with it. */
async function readFor<T extends object>(
  { base, files, problems }: Reading,
  key: string,
  name: unknown,
  parse: (text: string) => T | { readonly problems: readonly ConfigProblem[] },
): Promise<T | undefined> {
  if (typeof name !== 'string') return undefined;
  const path = resolve(base, name);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  files.push({ path, text });
  if (text === undefined) {
    problems.push({ path: key, message: `there is no readable file ${name}` });
    return undefined;
  }
  const parsed = parse(text);
  if (!('problems' in parsed)) return parsed;
  for (const one of parsed.problems)
    problems.push({
      path: key,
      message: `${name}${one.path === '' ? '' : `, ${one.path}`}: ${one.message}`,
    });
  return undefined;
}
