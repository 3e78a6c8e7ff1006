import type { BotLog } from './log.ts';

/** What is wrong between us and Slack, by part. Each change is logged once, however often it is tried again. */
export class Problems {
  readonly #found = new Map<string, string>();
  readonly #log: BotLog;

  constructor(log: BotLog) {
    this.#log = log;
  }

  set(part: string, text: string): void {
    if (this.#found.get(part) === text) return;
    this.#found.set(part, text);
    this.#log.error({ slack: part }, text);
  }

  clear(part: string): void {
    if (this.#found.delete(part)) this.#log.info({ slack: part }, `Slack works again: ${part}`);
  }

  text(): string | undefined {
    return this.#found.size === 0 ? undefined : [...this.#found.values()].join('; ');
  }
}
