import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { nearest } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { openConfig } from '../installation.ts';
import type { Terminal } from '../terminal.ts';

type Asked = {
  readonly config?: string;
  readonly dir?: string;
  readonly target?: string;
  readonly pack?: readonly string[];
  readonly json?: boolean;
};

const STARTER = new URL('../../policies/starter/', import.meta.url);
const SCHEMA = 'schema.sql';

/** Copies rules of the starter pack with the target's name filled in; without names it lists them. */
export async function init(values: Asked, terminal: Terminal): Promise<number> {
  const packs = await readPacks();
  if (values.pack === undefined) {
    if (values.json) terminal.out(JSON.stringify(Object.fromEntries(packs), undefined, 2));
    else for (const [name, about] of packs) terminal.out(`${name.padEnd(24)} ${about}`);
    terminal.err('countersign policy init --pack NAME copies one; --pack may stand several times');
    return EXIT.done;
  }
  const unknown = values.pack.find((name) => !packs.has(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, [...packs.keys()]);
    throw usageFailure(
      `there is no pack ${unknown}`,
      near === undefined ? `there is: ${[...packs.keys()].join(', ')}` : `did you mean ${near}?`,
    );
  }
  const { target, dir } = await placeFor(values);
  await mkdir(dir, { recursive: true });
  const copied = await copyPacks(values.pack, dir, target);
  if (values.json) terminal.out(JSON.stringify({ dir, target, files: copied }, undefined, 2));
  else for (const file of copied) terminal.out(join(relative('.', dir) || '.', file));
  terminal.err(
    `Adapt groups, tables and columns to ${target}, then: countersign policy check; countersign policy test`,
  );
  return EXIT.done;
}

/** Name and first line of each, by name. */
async function readPacks(): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(STARTER)).filter((name) => name.endsWith('.cedar')).toSorted();
  const packs = names.map(async (name) => {
    const text = await readFile(new URL(name, STARTER), 'utf8');
    return [name.replace(/\.cedar$/, ''), /^\/\/ (.*)/.exec(text)?.[1] ?? ''] as const;
  });
  return new Map(await Promise.all(packs));
}

async function placeFor({
  config: path,
  dir,
  target,
}: Asked): Promise<{ target: string; dir: string }> {
  if (dir !== undefined && target !== undefined) return { target, dir: resolve(dir) };
  const { config } = await openConfig(path);
  const [only, ...more] = config.targets.keys();
  const name = target ?? (more.length === 0 ? only : undefined);
  if (name === undefined)
    throw usageFailure(
      'for which target?',
      `pass --target: ${[...config.targets.keys()].join(', ')}`,
    );
  return { target: name, dir: dir === undefined ? config.policies : resolve(dir) };
}

async function copyPacks(packs: readonly string[], dir: string, target: string): Promise<string[]> {
  const files = packs.flatMap((name) => [`${name}.cedar`, `${name}.test.yaml`]);
  const there = await Promise.all(files.map((file) => exists(join(dir, file))));
  const taken = files.filter((_, i) => there[i]);
  if (taken.length > 0)
    throw usageFailure(
      `${dir} already has ${taken.join(', ')}`,
      'nothing was copied; move them away first',
    );
  await Promise.all(
    files.map(async (file) => {
      const text = await readFile(new URL(file, STARTER), 'utf8');
      await writeFile(join(dir, file), renamed(text, target), { flag: 'wx' });
    }),
  );
  // The tables of the tests: whoever has put their own there keeps them.
  if (await exists(join(dir, SCHEMA))) return files;
  await copyFile(new URL(SCHEMA, STARTER), join(dir, SCHEMA));
  return [...files, SCHEMA];
}

/** In Cedar and in the tests the target is called shop; a name may need its escapes inside an entity id. */
function renamed(text: string, target: string): string {
  const id = target.replaceAll('%', '%25').replaceAll('/', '%2F').replaceAll('"', '%22');
  return text
    .replaceAll('::"shop"', `::"${id}"`)
    .replaceAll('::"shop/', `::"${id}/`)
    .replaceAll(
      /^(targets: \{ |  )shop(-staging)?:/gm,
      (_, before: string, staging = '') => `${before}${target}${staging}:`,
    )
    .replaceAll(
      /^(    target: )shop(-staging)?$/gm,
      (_, before: string, staging = '') => `${before}${target}${staging}`,
    );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
