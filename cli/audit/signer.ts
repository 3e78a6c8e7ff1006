import {
  openKeyFile,
  readKeyFile,
  retiredVkeys,
  rotateSignerKey,
} from '#src/audit/tree/key-file.ts';
import { ED25519, formatVkey, noteKey } from '#src/audit/tree/note.ts';
import { runSigner, type SignerParts } from '#src/audit/tree/signer.ts';
import { openKeys } from '#src/audit/tree/keys.ts';
import { signingKey } from '#src/audit/tree/signing-key.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = {
  key: { type: 'string', value: 'FILE', about: 'its private key (PEM); made when it is missing' },
  folder: { type: 'string', value: 'DIR', about: 'where it keeps what it has signed last' },
  origin: { type: 'string', value: 'NAME', about: 'the log that it signs for' },
  rotate: { type: 'boolean', about: 'signer: make a new key in the place of FILE, and end' },
} as const satisfies Options;

export const signerCommand: Command = {
  usage: [
    'audit signer --key FILE --folder DIR --origin NAME',
    'audit signer --folder DIR --origin NAME -- PROGRAM [ARGUMENT…]',
    'audit signer --rotate --key FILE --origin NAME',
  ],
  about:
    'Signs the checkpoints of a log; the gateway starts it by itself. To keep its key from the gateway, let another user\n' +
    'or machine run it: audit.signer in the configuration is a command, such as ssh or sudo -u, whose input and output\n' +
    'are this program’s. It signs nothing that does not continue what it has signed before. With PROGRAM the key is held by\n' +
    'that, such as one that asks a KMS (docs/audit.md). With --rotate a signer that runs goes on with the new key.',
  options: OPTIONS,
  run: signer,
};

async function signer(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const { key, folder, origin } = values;
  if (origin === undefined) throw usageFailure('for which log? Pass --origin');
  if (/[\s+]/u.test(origin) || origin === '')
    throw usageFailure(`${origin} cannot be a log’s origin`, 'it has no spaces and no plus');
  if (values.rotate) {
    if (key === undefined || folder !== undefined || positionals.length > 0)
      throw usageFailure('--rotate needs --key and --origin, and nothing else');
    return rotate(key, origin, terminal);
  }
  const [program, ...args] = positionals;
  if (folder === undefined || (key === undefined) === (program === undefined))
    throw usageFailure('it needs --folder, --origin, and either --key or a program that holds it');
  // Whoever starts it ends it by closing its input: a Ctrl-C meant for the gateway would leave that without a signer.
  process.on('SIGINT', () => undefined);
  const parts = { origin, folder, input: process.stdin, output: process.stdout };
  if (key !== undefined) await runSigner({ ...parts, ...(await fromFile(key)) });
  else if (program !== undefined) await behindProgram([program, ...args], parts, terminal);
  terminal.status(undefined);
  return EXIT.done;
}

async function fromFile(path: string): Promise<Pick<SignerParts, 'key' | 'retired'>> {
  await openKeyFile(path);
  return {
    key: async () => signingKey(await readKeyFile(path)),
    retired: await retiredVkeys(path),
  };
}

/** The program names its keys, the newest first; those after it have signed before. */
async function behindProgram(
  program: readonly [string, ...string[]],
  parts: Omit<SignerParts, 'key' | 'retired'>,
  terminal: Terminal,
): Promise<void> {
  const keys = await openKeys(program, (text) => terminal.err(text.trimEnd()));
  const past = keys.retired.map(({ key }) => formatVkey(noteKey(parts.origin, ED25519, key)));
  try {
    await runSigner({
      ...parts,
      key: () => Promise.resolve(keys.current),
      retired: past.toReversed(),
    });
  } finally {
    await keys.close();
  }
}

async function rotate(path: string, origin: string, terminal: Terminal): Promise<number> {
  const { old, vkey } = await rotateSignerKey(path, (key) =>
    formatVkey(noteKey(origin, ED25519, key)),
  );
  terminal.out('Add this line to every trust file, and keep the one of the old key there:');
  terminal.out(`log ${vkey}`);
  terminal.out(`(the old key was ${old}; witnesses need the new one beside it, too: --log)`);
  return EXIT.done;
}
