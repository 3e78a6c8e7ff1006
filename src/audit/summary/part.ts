export type Asked = {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  /** A target's name, with `*` for any part of it. */
  readonly target?: string | undefined;
  /** Only this person's acts. */
  readonly person?: string | undefined;
};

/** Rows of `search_record` in the time asked for, with their facts; `$1` to `$4` are time, target and person. */
export const PART = `
  select r.at, r.rows, r.waited_ms, f.* from search_record r join search_facet f on f.id = r.facet
  where r.at >= to_timestamp($1 / 1000.0) and r.at < to_timestamp($2 / 1000.0) and f.kind = 'statement'
    and ($3::text is null or f.target like $3) and ($4::text is null or f.person = $4)`;

export const valuesOf = ({ from, to, target, person }: Asked): readonly unknown[] => [
  from,
  to,
  target === undefined ? null : likeOf(target),
  person ?? null,
];

/** `prod-*` as LIKE reads it. */
export const likeOf = (glob: string): string =>
  glob.replaceAll(/[\\%_]/g, String.raw`\$&`).replaceAll('*', '%');

/** A search for part of what a summary counts. */
export type Searched = (...terms: readonly (string | undefined)[]) => string;

const quoted = (name: string, value: string): string =>
  /^[\w.@+*-]+$/.test(value) ? `${name}:${value}` : `${name}:"${value.replaceAll('"', '')}"`;

export const term = (name: string, value: string | null | undefined): string | undefined =>
  value === null || value === undefined ? undefined : quoted(name, value);
