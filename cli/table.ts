import { printable } from './terminal.ts';

export type Column = { readonly name: string; readonly numeric: boolean };
export type Cell = string | null;
export type TableStyle = {
  /** Columns of the terminal; undefined never breaks the table up. */
  readonly width: number | undefined;
  readonly head: (text: string) => string;
  readonly none: (text: string) => string;
};

const PLAIN: TableStyle = { width: undefined, head: (text) => text, none: (text) => text };

/** An aligned table; one line per value instead where the table is wider than the terminal. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  style: TableStyle = PLAIN,
): string[] {
  const names = columns.map((column) => printable(column.name));
  const texts = rows.map((row) => columns.map((_, i) => cellText(row[i] ?? null)));
  const widths = names.map((name, i) =>
    texts.reduce((most, row) => Math.max(most, displayWidth(row[i] ?? '')), displayWidth(name)),
  );
  const total = widths.reduce((sum, width) => sum + width + 3, -1);
  if (style.width !== undefined && total > style.width && rows.length > 0)
    return expanded(names, texts, rows, style);
  const line = (cells: readonly string[], paint: (text: string, i: number) => string): string =>
    cells
      .map((cell, i) => {
        const gap = ' '.repeat((widths[i] ?? 0) - displayWidth(cell));
        const painted = paint(cell, i);
        return columns[i]?.numeric ? ` ${gap}${painted} ` : ` ${painted}${gap} `;
      })
      .join('|')
      .trimEnd();
  return [
    line(names, (text) => style.head(text)),
    widths.map((width) => '-'.repeat(width + 2)).join('+'),
    ...texts.map((row, r) =>
      line(row, (text, i) => (rows[r]?.[i] === null ? style.none(text) : text)),
    ),
  ];
}

function expanded(
  names: readonly string[],
  texts: readonly (readonly string[])[],
  rows: readonly (readonly Cell[])[],
  style: TableStyle,
): string[] {
  const widest = names.reduce((most, name) => Math.max(most, displayWidth(name)), 0);
  return texts.flatMap((row, r) => [
    `-[ row ${r + 1} ]-`,
    ...row.map((text, i) => {
      const name = names[i] ?? '';
      const value = rows[r]?.[i] === null ? style.none(text) : text;
      return `${style.head(name)}${' '.repeat(widest - displayWidth(name))} | ${value}`;
    }),
  ]);
}

function cellText(cell: Cell): string {
  return cell === null ? 'NULL' : printable(cell);
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1F64F}\u{1F900}-\u{1F9FF}\u{20000}-\u{3FFFD}])/u;
const ASCII = /^[\u0020-\u007E]*$/;

/** Cells a text takes on a terminal: two for East Asian wide characters and emoji, one for any other grapheme. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** RFC 4180, with line feeds; NULL is an empty field and the empty text is `""`. */
export function renderCsv(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const field = (cell: Cell): string => {
    if (cell === null) return '';
    return cell === '' || /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  };
  return [
    columns.map((column) => field(column.name)).join(','),
    ...rows.map((row) => row.map(field).join(',')),
  ];
}
