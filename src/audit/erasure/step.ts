/** One change of an erasure beside the records; it may be done again. */
export type Step = {
  /** What the report calls it. */
  readonly what: string;
  readonly sql: string;
};

/** The change, as a query for how many rows it took in. */
export const counted = (change: string): string =>
  `with gone as (${change} returning 1) select count(*) from gone`;
