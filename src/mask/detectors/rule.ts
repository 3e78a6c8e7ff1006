/** `[start, end)` in UTF-16 units. */
export type Range = readonly [start: number, end: number];

/**
 * `token`: no letter, digit, hyphen or underscore; `address`: something that an e-mail address may
 * begin with; `letter`: a letter or a blank.
 */
export type Before = 'word' | 'token' | 'address' | 'letter' | 'anything';

/** How one kind of value looks. Rules are data: facts about formats, the same for every engine. */
export type Rule = {
  readonly id: string;
  /** What is written in place of the value, and what masks name. */
  readonly kind: string;
  readonly about: string;
  /**
   * Begins with one of these, whatever their case; `0` stands for any digit. A text without any is not looked at further.
   * `digits` instead: the rule looks at each run of at least 13 digits, single blanks, dots and hyphens among them.
   */
  readonly literals: readonly string[] | 'digits';
  /**
   * RE2 syntax, of bounded length, tried where a literal is. What is masked is group 1, or without one all of it.
   */
  readonly pattern: string;
  /** What stands directly before where the literal is; no letter and no digit, unless said otherwise. */
  readonly before?: Before;
  /** Widens or narrows what matched; undefined refuses it. Reads each character a bounded number of times. */
  readonly reach?: (text: string, start: number, end: number) => readonly Range[];
  /** Checksums, entropy. False refuses. */
  readonly valid?: (value: string) => boolean;
  /** Found only where a mask names its kind. */
  readonly optIn?: true;
  /** Texts in which this kind is found, and texts that come close and hold nothing. */
  readonly hits: readonly string[];
  readonly misses: readonly string[];
};

/** One range or none, for `reach`. */
export const only = (start: number, end: number): readonly Range[] => [[start, end]];
export const none: readonly Range[] = [];

/** Literals, with bars between them. */
export const any = (literals: string): readonly string[] => literals.split('|');
