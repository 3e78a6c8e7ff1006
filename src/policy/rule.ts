import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { FreshTerms, Mask, RecordingTerms } from './verdict.ts';
import type { FactName } from './schema.ts';
import type { WhoTerms } from './who.ts';

/** What a `forbid` with `@hold` asks before a statement may run; absent values fall to the default when combined. */
export type HoldTerms = WhoTerms & {
  /** `owner`: those who own what it holds. */
  readonly group: string;
  readonly quorum: number;
  readonly expiresMs?: number;
  readonly stepUpMs?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly reasonRequired: boolean;
  readonly channel?: string;
  readonly resendMs?: number;
  readonly reactionsVote?: true;
  readonly handOver?: readonly string[];
  readonly shapeMs?: number;
  readonly count?: true;
  readonly sample?: number;
};

/** What a rule about `request` or `break-glass` says of the grant. */
export type GrantTerms = {
  readonly longestMs?: number;
  readonly start?: 'use' | 'approval';
  readonly ends?: 'cancel' | 'finish';
  readonly reasonRequired: boolean;
  readonly ticket?: string;
  readonly review?: string;
  readonly channel?: string;
};

/** What a rule's annotations say, parsed. */
export type Terms = {
  readonly message?: string;
  readonly hold?: HoldTerms;
  /** For a `forbid` on `reveal`; the default is null. */
  readonly mask: Mask;
  readonly rows?: number;
  /** For a `permit`. */
  readonly recording?: RecordingTerms;
  /** For a `permit` of `reveal` or of `break-glass`: it counts only behind such a sign-in. */
  readonly fresh?: FreshTerms;
  readonly grant?: GrantTerms;
};

/** One Cedar policy, keyed by its `@id`. */
export type Rule = {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** Cedar text of this one policy. */
  readonly text: string;
  readonly json: PolicyJson;
  readonly terms: Terms;
  readonly facts: ReadonlySet<FactName>;
};

/** Something wrong with the rules, said so that the author can put it right. */
export type Problem = {
  readonly file: string;
  readonly id?: string;
  /** 1-based. */
  readonly line?: number;
  readonly message: string;
  readonly hint: string;
};
