import type { RecordingEvent, Said, SqlEvent } from '#src/recording/port.ts';
import {
  AnswerBuilder,
  gapText,
  isSql,
  numericColumns,
  statementOf,
  type Result,
} from '#src/recording/transcript.ts';
import { renderTable } from '../table.ts';
import { printable, type Terminal } from '../terminal.ts';

const MOST_ROWS = 10_000;

/** Prints events of SQL as they come: each statement, and each result when it is complete. All of it is harmless text. */
export class Transcript {
  readonly #terminal: Terminal;
  readonly #builders = new Map<string, AnswerBuilder>();
  readonly #seen = new Set<string>();
  #last: string | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(event: RecordingEvent): void {
    if (event.k === 'gap') this.#line('yellow', `-- ${clockOf(event.t)} ${gapText(event)}`);
    else if (event.k === 'statement') this.#statement(event);
    else if (isSql(event)) this.#answer(event);
  }

  /** What is left when nothing more comes. */
  end(): void {
    for (const [id, builder] of this.#builders) this.#results(id, builder);
    this.#builders.clear();
  }

  #statement({ t, id, text, verdict }: Extract<SqlEvent, { k: 'statement' }>): void {
    const tone = verdict === 'deny' ? 'red' : verdict === 'hold' ? 'yellow' : 'green';
    const terminal = this.#terminal;
    const again = this.#seen.has(id);
    if (!again) terminal.out('');
    const [at, shown] = [terminal.paint('dim', clockOf(t)), terminal.paint('dim', printable(id))];
    terminal.out(`${at} ${terminal.paint(tone, verdict)} ${shown}`);
    this.#seen.add(id);
    this.#last = id;
    if (!again) for (const line of linesOf(text)) terminal.out(terminal.paint('bold', line));
  }

  #answer(event: Exclude<SqlEvent, { k: 'statement' }>): void {
    const id = statementOf(event) ?? '';
    if (event.k === 'notice') return this.#said(event);
    const builder = this.#builders.get(id) ?? new AnswerBuilder(MOST_ROWS);
    this.#builders.set(id, builder);
    builder.take(event);
    if (event.k !== 'end' && event.k !== 'error') return;
    this.#builders.delete(id);
    this.#results(id, builder);
  }

  #results(id: string, { answer }: AnswerBuilder): void {
    // In a pipeline the answers come behind other statements.
    if (id !== '' && id !== this.#last && this.#seen.has(id))
      this.#line('dim', `-- answer to ${id}`);
    for (const result of answer.results) this.#result(result);
  }

  #result(result: Result): void {
    const terminal = this.#terminal;
    const { names, rows, error } = result;
    if (names || rows.length > 0) {
      const columns = names ?? (rows[0] ?? []).map((_, i) => String(i + 1));
      const numeric = numericColumns(rows, columns.length);
      const lines = renderTable(
        columns.map((name, i) => ({ name, numeric: numeric[i] ?? false })),
        rows,
        {
          width: terminal.width,
          head: (text) => terminal.paint('bold', text),
          none: (text) => terminal.paint('dim', text),
        },
      );
      for (const line of lines) terminal.out(line);
    }
    for (const line of missing(result)) this.#line('dim', line);
    if (error) this.#said(error);
    const end = ending(result);
    if (end !== undefined) this.#line('dim', end);
  }

  #said({ severity, code, message, detail, hint }: Said): void {
    const tone = severity === 'ERROR' || severity === 'FATAL' ? 'red' : 'yellow';
    this.#line(tone, `${severity} ${code}: ${message}`);
    if (detail !== undefined) this.#line('dim', `  ${detail}`);
    if (hint !== undefined) this.#line('dim', `  hint: ${hint}`);
  }

  #line(style: Parameters<Terminal['paint']>[0], text: string): void {
    this.#terminal.out(this.#terminal.paint(style, printable(text)));
  }
}

function missing({ left, rest, sent }: Result): string[] {
  return [
    ...(left > 0 ? [`(${left} more rows are recorded)`] : []),
    ...(rest
      ? [
          `(${rest.rows ?? 'some'} more rows, ${rest.bytes} bytes, were not kept${rest.digest === undefined ? '' : `; digest ${rest.digest}`})`,
        ]
      : []),
    ...(sent ? [`(the client sent ${sent.bytes} bytes; digest ${sent.digest})`] : []),
  ];
}

function ending({ names, rows, end }: Result): string | undefined {
  if (!end) return undefined;
  const many = `${end.rows} ${end.rows === 1 ? 'row' : 'rows'}`;
  const what = names || rows.length > 0 ? many : (end.tag ?? many);
  return `(${what}, ${end.ms} ms)`;
}

/** Every line of its own, each made harmless. */
export const linesOf = (text: string): string[] =>
  text.split(/\r\n|\n/u).map((line) => `  ${printable(line.replaceAll('\t', '    '))}`);

const two = (part: number): string => String(part).padStart(2, '0');

/** `+0:02.345`, `+1:02:03.000` since the session began. */
export function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  const head = hours > 0 ? `${hours}:${two(minutes)}` : String(minutes);
  return `+${head}:${two(seconds % 60)}.${String(Math.floor(ms) % 1_000).padStart(3, '0')}`;
}
