import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { parseNote } from '#src/audit/tree/note.ts';
import { newestNote, readLeaves, readTile } from '#src/audit/tree/store.ts';
import { entryBundle, tilePath, tileWidth, WIDTH, type TileName } from '#src/audit/tree/tile.ts';
import type { Database } from '#src/store/database.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = { ...CONFIG_OPTION } as const satisfies Options;

export const mirrorCommand: Command = {
  usage: ['audit mirror DIR [--config FILE]'],
  about:
    'mirror writes the log’s files into a folder: checkpoint, tiles and entries (C2SP tlog-tiles), as the gateway serves them\n' +
    'below /log/. verify --tiles reads them without the store.',
  options: OPTIONS,
  run: mirror,
};

async function mirror(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) throw usageFailure('into which folder?');
  const { config } = await openConfig(values.config);
  const size = await withStore(config, (db) =>
    copyLog(db, folder, (records) => terminal.status(`${records.toLocaleString('en')} records`)),
  );
  terminal.status(undefined);
  terminal.out(`${size} records, the checkpoint and the tiles are in ${folder}`);
  return EXIT.done;
}

async function copyLog(
  db: Database,
  folder: string,
  onProgress: (records: number) => void,
): Promise<number> {
  const note = await newestNote(db);
  if (note === undefined) throw new Failure('nothing is signed yet');
  const { size } = parseCheckpoint(parseNote(note).text);
  const write = async (name: TileName, bytes: Buffer): Promise<void> => {
    const path = join(folder, tilePath(name));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  };
  // oxlint-disable no-await-in-loop -- one file at a time is in memory
  for (let level = 0; WIDTH ** level <= size; level += 1)
    for (let index = 0; tileWidth(level, index, size) > 0; index += 1) {
      const width = tileWidth(level, index, size);
      const hashes = await readTile(db.pool, level, index);
      if (!hashes) throw new Failure(`tile ${level}/${index} is missing: run audit verify`);
      await write({ level, index, width }, hashes.subarray(0, width * 32));
      if (level > 0) continue;
      await write(
        { level: 'entries', index, width },
        entryBundle(await readLeaves(db.pool, index, width)),
      );
      onProgress(index * WIDTH + width);
    }
  // oxlint-enable no-await-in-loop
  // Last, so that whoever reads meanwhile never finds a checkpoint without its tiles.
  await writeFile(join(folder, 'checkpoint'), note);
  return size;
}
