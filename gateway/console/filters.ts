import { z } from 'zod';
import type { RequestFilter } from '#src/approval/list.ts';
import type { RequestState } from '#src/approval/request.ts';
import type { RecordsPart } from '#src/audit/reader.ts';
import type { Person } from '#src/identity/person.ts';
import { readerOf } from '../api/rights.ts';

/** A filter that cannot be read counts as not given: a link from elsewhere still opens the page. */
const word = z.string().trim().min(1).max(200).optional().catch(undefined);
const day = z.iso.date().optional().catch(undefined);
const id = z.uuid().optional().catch(undefined);

/** What the inbox can be narrowed to, as its links name them. */
export const VIEWS = {
  mine: 'To decide',
  open: 'Open',
  decided: 'Decided by you',
  ended: 'Ended',
  all: 'All',
} as const;
export type View = keyof typeof VIEWS;

export const inboxQuery = z.object({
  state: z.enum(['mine', 'open', 'decided', 'ended', 'all']).optional().catch(undefined),
  target: word,
  person: word,
  from: day,
  to: day,
  before: id,
});
export type InboxQuery = z.output<typeof inboxQuery>;

export const recordsQuery = z.object({
  q: z.string().trim().max(1_000).catch(''),
  person: word,
  target: word,
  kind: word,
  verdict: word,
  from: day,
  to: day,
  before: id,
  cursor: z.string().max(40).optional().catch(undefined),
});
export type RecordsQuery = z.output<typeof recordsQuery>;

const OPEN: readonly RequestState[] = ['pending', 'approved', 'running'];
export const ENDED: readonly RequestState[] = [
  'done',
  'unknown',
  'denied',
  'expired',
  'withdrawn',
  'abandoned',
  'changed',
  'refused',
];

const DAY_MS = 86_400_000;

type Days = { readonly from?: string | undefined; readonly to?: string | undefined };

/** Whole days, UTC; the last one is meant with all its hours. */
const times = ({ from, to }: Days): Pick<RecordsPart, 'from' | 'to'> => ({
  ...(from && { from: `${from}T00:00:00.000Z` }),
  ...(to && { to: new Date(Date.parse(to) + DAY_MS).toISOString() }),
});

export function requestFilter(person: Person, query: InboxQuery): RequestFilter {
  const { state, target, person: who, before } = query;
  const views: Readonly<Record<View, RequestFilter>> = {
    mine: { decidableBy: readerOf(person) },
    open: { states: OPEN },
    decided: { decidedBy: person.email },
    ended: { states: ENDED },
    all: {},
  };
  return {
    ...views[state ?? 'all'],
    ...(target && { target }),
    ...(who && { person: who }),
    ...times(query),
    ...(before && { before }),
  };
}

/** The search that the fields of the form stand for; a quote ends what it is in, so it is a blank there. */
export function recordsSearch(query: RecordsQuery): string {
  const fields = (['person', 'target', 'kind', 'verdict'] as const).flatMap((name) => {
    const value = query[name]?.replaceAll('"', ' ');
    if (value === undefined) return [];
    return /\s/u.test(value) ? [`${name}:"${value}"`] : [`${name}:${value}`];
  });
  return [...fields, query.q].filter((term) => term !== '').join(' ');
}

export const recordsPart = (query: RecordsQuery): RecordsPart => ({
  ...times(query),
  ...(query.before && { before: query.before }),
});

type Params = Readonly<Record<string, string | undefined>>;

/** A link that can be shared: only what is given is in it. */
export function href(path: string, params: Params): string {
  const given = Object.entries(params).filter((entry): entry is [string, string] => !!entry[1]);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}

/** The same address without the fields that a form sent empty; undefined when there are none. */
export function tidied(address: string): string | undefined {
  if (!/[?&][^=&]*=(?:&|$)/u.test(address)) return undefined;
  const [path = '', search] = address.split('?', 2);
  return href(path, Object.fromEntries(new URLSearchParams(search)));
}
