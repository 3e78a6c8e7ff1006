import { writeFile } from 'node:fs/promises';
import { placeOf, recordProof } from '#src/audit/tree/record-proof.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import { printable, type Terminal } from '../terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  out: { type: 'string', value: 'FILE', about: 'proof: write it there; default: print it' },
} as const satisfies Options;

export const proofCommand: Command = {
  usage: ['audit proof RECORD [--out FILE] [--config FILE]'],
  about:
    'proof writes the proof of one record: the record itself, its place in the tree, and the signed checkpoint (C2SP tlog-proof).\n' +
    'Whoever has it and the trust file can verify it without asking anybody.',
  options: OPTIONS,
  run: proof,
};

async function proof(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const [id, ...more] = positionals;
  if (id === undefined || !/^[0-9a-f-]{36}$/i.test(id) || more.length > 0)
    throw usageFailure('which record?', 'it is named by its id, as the console shows it');
  const { config } = await openConfig(values.config);
  const text = await withStore(config, async (db) => {
    const found = await recordProof(db, id);
    if (found !== undefined) return found;
    const place = await placeOf(db, id);
    throw place
      ? new Failure(`the record is ${place.state}, and not signed yet`, {
          hint: 'a running gateway signs every second; try again',
        })
      : new Failure(`there is no record ${printable(id)}`);
  });
  if (values.out === undefined) terminal.out(text.trimEnd());
  else await writeFile(values.out, text);
  return EXIT.done;
}
