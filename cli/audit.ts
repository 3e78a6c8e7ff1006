import { verifyLog, type Verification, type WriterReport } from '#src/audit/verify.ts';
import { parse, type Command, type Options } from './command.ts';
import { EXIT, usageFailure } from './failure.ts';
import { CONFIG_OPTION, openConfig } from './installation.ts';
import { withStore } from './store.ts';
import { renderTable } from './table.ts';
import { printable, type Terminal } from './terminal.ts';

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Options;

export const auditCommand: Command = {
  usage: ['audit verify [--config FILE]'],
  about:
    'Walks the hash chain of every writer, from the first record to the last, and names the first bad record of each.\n' +
    'It only reads. Keep the heads it prints: records that are cut off the end of a chain are only missed by comparing.',
  options: OPTIONS,
  run: audit,
};

async function audit(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS);
  if (positionals.length !== 1 || positionals[0] !== 'verify')
    throw usageFailure('which action?', 'it is verify');
  const { config } = await openConfig(values.config);
  const result = await withStore(config, (db) =>
    verifyLog(db, {
      onProgress: (records) =>
        terminal.status(`verifying: ${records.toLocaleString('en')} records`),
    }),
  );
  terminal.status(undefined);
  if (values.json) terminal.out(JSON.stringify(result, undefined, 2));
  else for (const line of reportLines(result, terminal)) terminal.out(line);
  return result.ok ? EXIT.done : EXIT.failed;
}

/** One row a writer, then what is wrong, in words. */
export function reportLines(
  result: Verification,
  terminal: Pick<Terminal, 'paint' | 'width'>,
): string[] {
  const names = ['writer', 'records', 'erased', 'last', 'head'];
  const table = renderTable(
    names.map((name) => ({
      name,
      numeric: name === 'records' || name === 'erased' || name === 'last',
    })),
    result.writers.map((report) => [
      report.writer,
      String(report.records),
      String(report.erased),
      String(report.head?.seq ?? 0),
      report.head?.hash ?? '',
    ]),
    { width: terminal.width, head: (text) => terminal.paint('bold', text), none: (text) => text },
  );
  const bad = result.writers.flatMap(badLine);
  const verdict =
    bad.length === 0
      ? terminal.paint('green', `${result.records} records, every one in its place and unchanged`)
      : terminal.paint(
          'red',
          `the log of ${bad.length} of ${result.writers.length} writers is not as it was written`,
        );
  return [...table, '', ...bad, verdict];
}

function badLine({ writer, bad }: WriterReport): string[] {
  if (!bad) return [];
  const record = bad.record === undefined ? '' : ` (${bad.record})`;
  return [
    `${printable(writer)}: record ${bad.seq}${record}: ${bad.problem}: ${printable(bad.detail)}`,
  ];
}
