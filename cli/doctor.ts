import { parse, type Command, type Options } from './command.ts';
import type { Check } from './doctor/check.ts';
import { checkGroups } from './doctor/checks.ts';
import { EXIT, usageFailure } from './failure.ts';
import { CONFIG_OPTION, openConfig } from './installation.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const doctorCommand: Command = {
  usage: ['doctor [--config FILE]'],
  about:
    'Checks this machine, the store, the rules, the targets, Slack and Teams, and says what to do about what is wrong.\n' +
    'It changes nothing. It exits 1 when something fails; warnings do not count.',
  options: OPTIONS,
  run: doctor,
};

async function doctor(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length > 0) throw usageFailure(`what is ${positionals.join(' ')}?`, 'see --help');
  const { path, config } = await openConfig(values.config);
  const checks: Check[] = [{ what: 'configuration', state: 'ok', found: path }];
  for (const group of checkGroups(config, path)) {
    terminal.status(`checking ${group.what}`);
    // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other, so that the status line is true
    checks.push(...(await group.run()));
  }
  terminal.status(undefined);
  const failed = checks.filter((check) => check.state === 'fail').length;
  if (values.json) terminal.out(JSON.stringify({ ok: failed === 0, checks }, undefined, 2));
  else for (const line of checkLines(checks, terminal)) terminal.out(line);
  return failed === 0 ? EXIT.done : EXIT.failed;
}

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

/** A table of everything, then the next step for what is not well. */
export function checkLines(
  checks: readonly Check[],
  terminal: Pick<Terminal, 'paint' | 'width'>,
): string[] {
  const table = renderTable(
    ['state', 'what', 'found'].map((name) => ({ name, numeric: false })),
    checks.map(({ state, what, found }) => [state, what, found]),
    { width: undefined, head: (text) => terminal.paint('bold', text), none: (text) => text },
  );
  const steps = checks
    .filter((check) => check.state !== 'ok')
    .map(
      (check) =>
        `${terminal.paint(STYLES[check.state], check.state)} ${check.what}: ${check.next ?? check.found}`,
    );
  return steps.length > 0 ? [...table, '', ...steps] : [...table, '', 'everything is well'];
}
