import { createHmac } from 'node:crypto';
import type { JsonObject } from '../log.ts';

/** What is to be erased: everything about a person, or the records that all the others fit. */
export type Filter = {
  /** A key: in lower case. Stands alone. */
  readonly person?: string;
  readonly record?: string;
  readonly session?: string;
  /** A name, or with `*` for any part of one. */
  readonly target?: string;
  /** ISO 8601: records of an earlier time. */
  readonly before?: string;
  /** Patterns of targets that are left out; by them rules that come first go first. */
  readonly except?: readonly string[];
  /** At most so many records, the oldest, and what goes together with them. */
  readonly limit?: number;
  /** What a legal hold keeps is left out; else it is in the way of all. */
  readonly unheld?: boolean;
};

/** A condition on rows `b` of `record_body`, and its parameters. */
export type Condition = { readonly where: string; readonly values: readonly unknown[] };

/** `first` is the number of the first parameter. Null for a filter that says nothing. */
export function conditionOf(filter: Filter, first: number): Condition | undefined {
  const values: unknown[] = [];
  const put = (value: unknown): string => `$${first - 1 + values.push(value)}`;
  if (filter.person !== undefined) {
    const person = put(filter.person);
    const mention = put(mentionOf(filter.person));
    const sessions = `select id from countersign.session where lower(person) = ${person}`;
    return {
      where: `(lower(b.person) = ${person} or b.session in (${sessions})
        or b.request in (select id from countersign.request where lower(person) = ${person} or session in (${sessions}))
        or (strpos(lower(b.body), ${put(quoted(filter.person))}) > 0 and b.body ~* ${mention}))`,
      values,
    };
  }
  const { record, session, target, before, except = [] } = filter;
  const all = [
    record !== undefined && `b.id = ${put(record)}::uuid`,
    session !== undefined && `b.session = ${put(session)}::uuid`,
    target !== undefined && `countersign.fits(b.target, ${put(target)})`,
    before !== undefined && `b.at < ${put(before)}::timestamptz`,
  ].filter((each) => each !== false);
  if (all.length === 0) return undefined;
  const not = except.map(
    (pattern) => `not coalesce(countersign.fits(b.target, ${put(pattern)}), false)`,
  );
  return { where: [...all, ...not].join(' and '), values };
}

/** As it stands in canonical JSON, lower case. */
const quoted = (email: string): string => JSON.stringify(email).slice(1, -1);

/** PostgreSQL's regular expression for this address and no other that it is a part of; without regard to case. */
export function mentionOf(email: string): string {
  const literal = quoted(email).replace(/[^a-z0-9@_]/giu, String.raw`\$&`);
  return String.raw`(?<![a-z0-9._%+-])${literal}(?![a-z0-9_-]|\.[a-z0-9])`;
}

/** What a record may say of it for good: the person only as a keyed hash, so that it brings nobody back. */
export function committed(filter: Filter, key: Buffer): JsonObject {
  const { person, except, limit, unheld: _, ...rest } = filter;
  return {
    ...rest,
    ...(limit !== undefined && { limit }),
    ...(except && except.length > 0 && { except }),
    ...(person !== undefined && { person: personHash(person, key) }),
  };
}

/** HMAC-SHA256 of the person's key, in base64: who knows an address and the store can tell whether it is the one. */
export const personHash = (person: string, key: Buffer): string =>
  createHmac('sha256', key).update(person).digest('base64');
