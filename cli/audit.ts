import type { Command } from './command.ts';
import { usageFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { anchorsCommand } from './audit/anchors.ts';
import { eraseCommand } from './audit/erase.ts';
import { holdCommand } from './audit/hold.ts';
import { mirrorCommand } from './audit/mirror.ts';
import { proofCommand } from './audit/proof.ts';
import { retentionCommand } from './audit/retention.ts';
import { searchCommand } from './audit/search.ts';
import { signerCommand } from './audit/signer.ts';
import { summaryCommand } from './audit/summary.ts';
import { trustCommand } from './audit/trust.ts';
import { verifyCommand } from './audit/verify.ts';
import { witnessCommand } from './audit/witness.ts';
import { writersCommand } from './audit/writers.ts';

const ACTIONS: Readonly<Record<string, Command>> = {
  verify: verifyCommand,
  proof: proofCommand,
  anchors: anchorsCommand,
  summary: summaryCommand,
  mirror: mirrorCommand,
  trust: trustCommand,
  hold: holdCommand,
  erase: eraseCommand,
  retention: retentionCommand,
  witness: witnessCommand,
  search: searchCommand,
  signer: signerCommand,
  writers: writersCommand,
};
const commands = Object.values(ACTIONS);

export const auditCommand: Command = {
  usage: commands.flatMap(({ usage }) => usage),
  about: commands.map(({ about }) => about).join('\n\n'),
  options: Object.assign({}, ...commands.map(({ options }) => options)),
  run: audit,
};

async function audit(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [action = '', ...rest] = argv;
  const command = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (!command) throw usageFailure('which action?', `it is ${Object.keys(ACTIONS).join(', ')}`);
  return command.run(rest, terminal);
}
