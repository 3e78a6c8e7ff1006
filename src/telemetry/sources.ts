/** Asked at each scrape. */
export type Sources = {
  /** Names of the targets that are configured now. */
  readonly targets: () => Iterable<string>;
  /** Cards that chat does not show yet; undefined when the store does not say. */
  readonly outboxPending: () => Promise<number | undefined>;
  /** Version of the rules that apply. */
  readonly policyVersion: () => string;
  /** How often changed rules on disk did not load. */
  readonly policyLoadFailures: () => number;
  /** How many names in the rules no target has. */
  readonly policyNamesMissing?: () => number;
  /** What the rules of retention have removed, by what it was. */
  readonly removed?: () => Readonly<Record<string, number>>;
  /** Records that each place they are sent to has still to get. */
  readonly exports?: () => Promise<readonly { readonly sink: string; readonly records: number }[]>;
  /** Seconds since each writer of the log was heard of that has not stopped. */
  readonly writers?: () => Promise<
    readonly { readonly writer: string; readonly seconds: number }[]
  >;
  /** Writers of the log with whose chain something is wrong. */
  readonly flagged?: () => Promise<readonly { readonly writer: string }[]>;
  /** Seconds since the newest checkpoint that each place has, while there is a newer one. */
  readonly anchors?: () => Promise<readonly { readonly place: string; readonly age: number }[]>;
  /** Records of the tree that are not searched yet; undefined when the store does not say. */
  readonly searchLag?: () => Promise<number | undefined>;
  /** Records in the tree, and those that are signed; undefined when the store does not say. */
  readonly tree?: () => Promise<{ readonly size: number; readonly signed: number } | undefined>;
};
