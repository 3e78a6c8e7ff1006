import { once } from 'node:events';
import { listenWitness } from '#gateway/witness/listener.ts';
import { openKeyFile } from '#src/audit/tree/key-file.ts';
import { COSIGNATURE, formatVkey, noteKey, parseVkey } from '#src/audit/tree/note.ts';
import { Witness } from '#src/audit/tree/witness.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = {
  name: { type: 'string', value: 'NAME', about: 'its name, such as witness.example.com/w1' },
  key: { type: 'string', value: 'FILE', about: 'its private key (PEM); made when it is missing' },
  folder: { type: 'string', value: 'DIR', about: 'where it keeps what it has seen last' },
  log: { type: 'string', multiple: true, value: 'VKEY', about: 'a key of a log that it watches' },
  listen: { type: 'string', value: 'HOST:PORT', about: 'default 127.0.0.1:8088' },
} as const satisfies Options;

export const witnessCommand: Command = {
  usage: ['audit witness --name NAME --key FILE --folder DIR --log VKEY [--listen HOST:PORT]'],
  about:
    'Watches logs for somebody else than who runs them: it cosigns a checkpoint only when it continues the last one that\n' +
    'it has seen (C2SP tlog-witness). Run it on another machine, in other hands. countersign audit trust prints the log’s key.',
  options: OPTIONS,
  run: witness,
};

async function witness(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  const { name, key: file, folder, log = [] } = values;
  const enough = name !== undefined && file !== undefined && folder !== undefined;
  if (!enough || log.length === 0 || positionals.length > 0)
    throw usageFailure('it needs --name, --key, --folder and --log', 'see --help');
  const address = /^(.+):(\d{1,5})$/.exec(values.listen ?? '127.0.0.1:8088');
  if (!address) throw usageFailure(`--listen ${values.listen} is not HOST:PORT`);
  const key = await openKeyFile(file);
  const own = noteKey(name, COSIGNATURE, key);
  const listening = await listenWitness(
    new Witness({ name, key, folder, logs: log.map((vkey) => parseVkey(vkey)) }),
    { host: (address[1] ?? '').replace(/^\[|\]$/g, ''), port: Number(address[2]) },
    (error) => terminal.err(error instanceof Error ? error.message : String(error)),
  );
  terminal.out(listening.url);
  terminal.out(formatVkey(own));
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await listening.close();
  return EXIT.done;
}
