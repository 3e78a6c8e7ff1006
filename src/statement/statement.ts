import type { Effect } from './effect.ts';

export type Protocol = 'postgres' | 'ssh' | 'kubernetes' | 'tool';

/** What the analyser saw when it looked at a statement. Two looks with the same `digest` would do the same. */
export type Look = {
  /** The analyser's own objects: what was worked out for them once need not be worked out again. */
  readonly effects: readonly Effect[];
  /** What each of them does, for people; literals only where they may be shown. */
  readonly words: readonly string[];
  /** The statement as people other than its author may read it. */
  readonly masked: string;
  /** True when `masked` hides part of a write, so that only the console can show it whole. */
  readonly hidesWrite: boolean;
  /** SHA-256 over everything that decides what the statement does (the design's Binding); 32 bytes, in memory only. */
  readonly digest: Buffer;
  /** Set when the statement is refused before any rule is asked: it cannot be parsed, resolved or judged. */
  readonly refused?: Refused;
};

/** Why the gateway itself refuses; `rule` starts with `countersign/`. */
export type Refused = {
  readonly rule: string;
  readonly message: string;
  readonly hint?: string;
  /** The protocol's own code where one fits, e.g. SQLSTATE `42601`. */
  readonly code?: string;
};
