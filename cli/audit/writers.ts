import { lastAnnounced } from '#src/audit/announcement.ts';
import { readHeads } from '#src/audit/heads.ts';
import { rotateKeyFile } from '#src/audit/tree/key-file.ts';
import { formatVkey } from '#src/audit/tree/note.ts';
import { writerKey } from '#src/config/audit.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  rotate: {
    type: 'boolean',
    about: 'writers: make a new key for the processes of this data folder',
  },
} as const satisfies Options;

export const writersCommand: Command = {
  usage: ['audit writers [--config FILE]', 'audit writers --rotate [--config FILE]'],
  about:
    'writers prints the key that each process signs its records with, as it has announced it. Keep that where the log’s owner\n' +
    'cannot change it; verify reads it with --writers. With --rotate a new key is made; each process announces it at its next\n' +
    'start, signed with the old one, which is kept beside it until then.',
  options: OPTIONS,
  run: writers,
};

async function writers(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { config } = await openConfig(values.config);
  if (values.rotate) return rotate(writerKey(config), terminal);
  const keys = await withStore(config, async (db) => {
    const heads = await readHeads(db);
    return Promise.all(heads.map(({ writer }) => lastAnnounced(db, writer)));
  });
  for (const key of keys) if (key) terminal.out(formatVkey(key));
  return EXIT.done;
}

async function rotate(place: ReturnType<typeof writerKey>, terminal: Terminal): Promise<number> {
  if (typeof place !== 'string')
    throw usageFailure(
      'a program holds the key (audit.writer)',
      'let it name the new key first and the old one after it, and restart the processes',
    );
  const { kept } = await rotateKeyFile(place);
  terminal.out(
    `There is a new key in ${place}. Restart countersign serve: it announces the key in its chain.`,
  );
  terminal.out(`Then remove the old key, ${kept}, and keep what countersign audit writers prints.`);
  return EXIT.done;
}
