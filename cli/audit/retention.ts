import { resumeErasures } from '#src/audit/erasure/erase.ts';
import { applyRetention, type Kept, planRetention } from '#src/audit/retention.ts';
import { parse, type Command, type Options } from '../command.ts';
import { EXIT, usageFailure } from '../failure.ts';
import { CONFIG_OPTION, openConfig } from '../installation.ts';
import type { Terminal } from '../terminal.ts';
import { withEraser } from './eraser.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  'dry-run': { type: 'boolean', about: 'retention: say what would go, and change nothing' },
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const retentionCommand: Command = {
  usage: ['audit retention [--dry-run]'],
  about:
    'retention applies the rules under retention in the configuration now, as a gateway does every hour: whole months where\n' +
    'everything in them has expired, else record by record. It runs as the owner of the store.',
  options: OPTIONS,
  run: retention,
};

async function retention(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { config } = await openConfig(values.config);
  const { retention: rules = [] } = config;
  if (rules.length === 0)
    throw usageFailure(
      'the configuration has no rule under retention',
      'so everything is kept for good',
    );
  const dryRun = values['dry-run'] === true;
  const kept = await withEraser(config, async (parts) => {
    const all = { ...parts, rules, now: Date.now() };
    if (dryRun) return planRetention(all);
    await resumeErasures(parts);
    return applyRetention(all);
  });
  if (values.json) terminal.out(JSON.stringify({ dryRun, ...kept }, undefined, 2));
  else for (const line of linesOf(kept, dryRun)) terminal.out(line);
  return EXIT.done;
}

export function linesOf({ months, records, recordings, holds }: Kept, dryRun: boolean): string[] {
  const verb = dryRun ? 'would go' : 'went';
  return [
    ...months.map(
      (one) =>
        `the month from ${one.from.slice(0, 10)} on: ${one.records} records ${verb}, as a whole`,
    ),
    `${records} further records ${verb}`,
    `${recordings} recordings ${verb}`,
    ...(holds.length > 0 ? [`kept by a legal hold: ${holds.join(', ')}`] : []),
  ];
}
