import { printable, type Terminal } from './terminal.ts';

/** What the gateway says beside results: a hold, or any notice of the target. */
export type Notice = {
  readonly severity?: string | undefined;
  readonly message?: string | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
};

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** True for the notice that says a statement waits for approval. */
export function isHold(notice: Notice): boolean {
  return notice.message?.startsWith('countersign: held ') ?? false;
}

const isConfirmation = (notice: Notice): boolean =>
  notice.message?.startsWith('countersign: confirm this connection ') ?? false;

/** When a hold ends by itself, in milliseconds since the epoch; the notice's detail says it in ISO 8601. */
export function holdEnds(notice: Notice): number | undefined {
  const at = /until (\d{4}-\d{2}-\d{2}T[\d:.]+Z)/.exec(notice.detail ?? '')?.[1];
  return at === undefined ? undefined : Date.parse(at);
}

/** A notice or error as lines, each made harmless. */
export function noticeLines(notice: Notice): string[] {
  const lines = [printable(notice.message ?? '')];
  if (notice.detail) lines.push(`  ${printable(notice.detail)}`);
  if (notice.hint) lines.push(`  ${printable(notice.hint)}`);
  return lines;
}

/** Shows that a statement waits, with the time left, until `stop`. The timer never keeps the process alive. */
export class Waiting {
  readonly #terminal: Terminal;
  #timer: NodeJS.Timeout | undefined;
  /** The link that was shown. */
  #confirmed: string | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(notice: Notice): void {
    // A gateway says it again with the first statement, for clients that show notices only then.
    if (isConfirmation(notice)) {
      if (this.#confirmed === notice.hint) return;
      this.#confirmed = notice.hint;
    }
    for (const line of noticeLines(notice)) this.#terminal.err(line);
    this.stop();
    if (!isHold(notice) || !this.#terminal.interactive) return;
    const ends = holdEnds(notice);
    const since = Date.now();
    let frame = 0;
    const draw = (): void => {
      const mark = FRAMES[frame++ % FRAMES.length] ?? '';
      this.#terminal.status(`${mark} waiting for approval, ${timeText(since, ends, Date.now())}`);
    };
    draw();
    this.#timer = setInterval(draw, 120).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#terminal.status(undefined);
  }
}

/** `14:03 left`, or how long it has waited where no end is known. */
export function timeText(since: number, ends: number | undefined, now: number): string {
  return ends === undefined ? `${clock(now - since)} so far` : `${clock(ends - now)} left`;
}

function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const text = `${minutes % 60}:${String(seconds % 60).padStart(2, '0')}`;
  return minutes < 60 ? text : `${Math.floor(minutes / 60)}:${text.padStart(5, '0')}`;
}
