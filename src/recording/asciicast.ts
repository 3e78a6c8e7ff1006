import type { RecordedSession, RecordingEvent } from './port.ts';

/** What is said of the terminal before anything came out of it. */
export type Terminal = { readonly cols: number; readonly rows: number; readonly term?: string };

const USUAL: Terminal = { cols: 80, rows: 24 };

/**
 * Terminal events as lines of asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3/), each with its line end:
 * a header, then `[seconds since the event before, code, data]`. Gaps are comments and markers. What a terminal does not
 * have is left out.
 */
export class Asciicast {
  #last = 0;

  header(session: Pick<RecordedSession, 'startedAt' | 'target' | 'person'>, term = USUAL): string {
    const { cols, rows, term: type } = term;
    return line({
      version: 3,
      term: { cols, rows, ...(type !== undefined && { type }) },
      timestamp: Math.floor(session.startedAt.getTime() / 1000),
      title: `${session.person} on ${session.target}`,
    });
  }

  /** Empty for an event that a terminal does not have. */
  lines(event: RecordingEvent): string {
    const { t } = event;
    if ('data' in event) return this.#line(t, event.k === 'output' ? 'o' : 'i', event.data);
    if ('cols' in event) return this.#line(t, 'r', `${event.cols}x${event.rows}`);
    if ('label' in event) return this.#line(t, 'm', event.label);
    if ('status' in event) return this.#line(t, 'x', String(event.status));
    return event.k === 'gap' ? this.#gap(t, gapText(event)) : '';
  }

  #gap(t: number, text: string): string {
    return `# ${text}\n${this.#line(t, 'm', text)}`;
  }

  /** Of rounded times, so that the errors of intervals do not add up. */
  #line(t: number, code: string, data: string): string {
    const now = Math.max(t, this.#last);
    const interval = (now - this.#last) / 1000;
    this.#last = now;
    return line([interval, code, data]);
  }
}

function gapText({ reason, chunk, count }: Extract<RecordingEvent, { k: 'gap' }>): string {
  const which = chunk === undefined ? '' : ` (chunk ${chunk})`;
  const many = count === undefined ? '' : ` (${count} events)`;
  return `gap: ${reason}${which}${many}`;
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
