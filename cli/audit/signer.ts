import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { runSigner } from '#src/audit/tree/signer.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = {
  key: { type: 'string', value: 'FILE', about: 'its private key (PEM); made when it is missing' },
  folder: { type: 'string', value: 'DIR', about: 'where it keeps what it has signed last' },
  origin: { type: 'string', value: 'NAME', about: 'the log that it signs for' },
} as const satisfies Options;

export const signerCommand: Command = {
  usage: ['audit signer --key FILE --folder DIR --origin NAME'],
  about:
    'Signs the checkpoints of a log; the gateway starts it by itself. To keep its key from the gateway, let another user\n' +
    'or machine run it: audit.signer in the configuration is a command, such as ssh or sudo -u, whose input and output\n' +
    'are this program’s. It signs nothing that does not continue what it has signed before.',
  options: OPTIONS,
  run: signer,
};

async function signer(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const { key, folder, origin } = values;
  if (key === undefined || folder === undefined || origin === undefined || positionals.length > 0)
    throw usageFailure('it needs --key, --folder and --origin, and nothing else');
  if (/[\s+]/u.test(origin) || origin === '')
    throw usageFailure(`${origin} cannot be a log’s origin`, 'it has no spaces and no plus');
  // Whoever starts it ends it by closing its input: a Ctrl-C meant for the gateway would leave that without a signer.
  process.on('SIGINT', () => undefined);
  await runSigner({
    key: await openKeyFile(key),
    origin,
    folder,
    input: process.stdin,
    output: process.stdout,
  });
  terminal.status(undefined);
  return EXIT.done;
}
