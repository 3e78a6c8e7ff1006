import { ownTrust } from '#src/audit/tree/own-trust.ts';
import { fixedOrigin } from '#src/audit/tree/store.ts';
import { originOf, signerKey } from '#src/config/audit.ts';
import type { Config } from '#src/config/config.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import { withStore } from '../store.ts';
import type { Terminal } from '../terminal.ts';

const OPTIONS = { ...CONFIG_OPTION } as const satisfies Options;

export const trustCommand: Command = {
  usage: ['audit trust [--config FILE]'],
  about:
    'trust prints whom to believe about this log: its key, its witnesses and how many of them are enough (C2SP tlog-policy).\n' +
    'Keep it where the log’s owner cannot change it; verify reads it with --trust.',
  options: OPTIONS,
  run: trust,
};

async function trust(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { config } = await openConfig(values.config);
  for (const line of await trustLines(config, terminal)) terminal.out(line);
  return EXIT.done;
}

/** The policy file of this installation. */
export async function trustLines(
  config: Config,
  terminal: Pick<Terminal, 'err'>,
): Promise<string[]> {
  const { audit } = config;
  if (!audit) throw usageFailure('this configuration has no audit section');
  const origin = await withStore(config, (db) => fixedOrigin(db, originOf(config)));
  return [
    ...(await ownTrust({ ...audit, origin, ...urlAndKey(config) }, (text) =>
      terminal.err(text.trimEnd()),
    )),
  ];
}

const urlAndKey = (config: Config): { readonly url: string; readonly keyFile: string } => ({
  url: `${config.publicUrl}/log`,
  keyFile: signerKey(config),
});
