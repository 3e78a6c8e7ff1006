import type { Found } from './search.ts';

type Cell = string | number | undefined;

const COLUMNS: Readonly<Record<string, (found: Found) => Cell>> = {
  time: ({ record }) => record.at,
  kind: ({ record }) => record.kind,
  person: ({ record }) => record.person,
  agent: ({ record }) => record.agent,
  target: ({ record }) => record.target,
  verdicts: ({ verdicts }) => verdicts.join(' '),
  decision: ({ decision }) => decision,
  decided_by: ({ decidedBy }) => decidedBy.join(' '),
  decided_at: ({ decidedAt }) => decidedAt,
  waited_ms: ({ waitedMs }) => waitedMs,
  effects: ({ effects }) => effects.join(' '),
  tables: ({ tables }) => tables.join(' '),
  masked: ({ masked }) => masked.join(' '),
  rows: ({ rows }) => rows,
  duration_ms: ({ durationMs }) => durationMs,
  code: ({ code }) => code,
  text: ({ record }) => textOf(record.body?.['text']),
  session: ({ record }) => record.session,
  statement: ({ record }) => record.statement,
  request: ({ record }) => record.request,
  record: ({ record }) => record.id,
  index: ({ index }) => index,
  leaf_hash: ({ record }) => record.hash,
};

/** RFC 4180, UTF-8, a line each. */
export const csvHead = (): string => `${Object.keys(COLUMNS).join(',')}\r\n`;
export const csvLine = (found: Found): string =>
  `${Object.values(COLUMNS)
    .map((read) => cell(read(found)))
    .join(',')}\r\n`;

/** A text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection). */
function cell(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : value;
  return `"${text.replaceAll('"', '""')}"`;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;
