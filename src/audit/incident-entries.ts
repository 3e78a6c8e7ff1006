import { z } from 'zod';
import type { Database, Sql } from '../store/database.ts';
import { listIncidents, readIncident, type Incident } from './incidents.ts';
import { likeOf } from './summary/part.ts';

/** What happened on a target of an incident: who did what, and nothing of what a statement says. */
export type Happened = {
  /** Its place in the tree, and the record there. */
  readonly index: number;
  readonly record: string;
  /** ISO 8601. */
  readonly at: string;
  readonly person?: string;
  readonly target: string;
  /** `statements held`: what is counted together. */
  readonly what: string;
  /** Such as `held: update, write`. */
  readonly words: string;
  /** Worth a line before what the rules simply allowed. */
  readonly notable: boolean;
};

export type Batch = {
  readonly happened: readonly Happened[];
  /** Where to go on. */
  readonly next: number;
  /** The record of its stop was reached. */
  readonly ended: boolean;
  /** There may be more at once. */
  readonly more: boolean;
};

/** Entries that are looked at in one go. */
const DEPTH = 5_000;
const KINDS = [
  'statement',
  'claim',
  'request',
  'decision',
  'session-start',
  'session-end',
  'grant',
];

type Row = {
  readonly index: number;
  readonly record: string;
  readonly at: Date;
  readonly kind: string;
  readonly person: string | null;
  readonly target: string;
  readonly verdict: string | null;
  readonly body: string;
};

/** What happened from `from` on, up to the record of the incident's stop, oldest first. */
export async function readHappened(sql: Sql, incident: Incident, from: number): Promise<Batch> {
  const { rows: ends } = await sql.query<{ top: number; stop: number | null }>(
    `select (select coalesce(max(index) + 1, 0) from countersign.tree_entry)::float8 as top,
       (select e.index from countersign.record r join countersign.tree_entry e using (writer, seq) where r.id = $1)::float8 as stop`,
    [incident.stopRecord ?? null],
  );
  const { top = 0, stop = null } = ends[0] ?? {};
  const end = stop ?? top;
  const next = Math.max(from, Math.min(end, from + DEPTH));
  const { rows } = await sql.query<Row>(
    `select e.index::float8 as index, r.id as record, b.at, b.kind, b.person, b.target, b.verdict, b.body
     from countersign.tree_entry e join countersign.record r using (writer, seq) join countersign.record_body b using (id)
     where e.index >= $1 and e.index < $2 and b.target like $3 and b.kind = any($4) order by e.index`,
    [from, next, likeOf(incident.target), KINDS],
  );
  return {
    happened: rows.map(happenedOf),
    next,
    ended: stop !== null && next >= stop,
    more: next < end,
  };
}

/** Batches that are read for a timeline; what comes later is found by searching. */
const BATCHES = 40;

export type Timeline = { readonly happened: readonly Happened[]; readonly more: number };

/** The first `most` that are notable, oldest first, and how many more there are. */
export async function readTimeline(sql: Sql, incident: Incident, most: number): Promise<Timeline> {
  const happened: Happened[] = [];
  let all = 0;
  let batch: Pick<Batch, 'next' | 'more'> = { next: incident.first, more: true };
  for (let round = 0; batch.more && round < BATCHES; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one connection
    const read = await readHappened(sql, incident, batch.next);
    const notable = read.happened.filter((one) => one.notable);
    all += notable.length;
    happened.push(...notable.slice(0, most - happened.length));
    batch = read;
  }
  return { happened, more: all - happened.length };
}

/** Incidents as they are read. */
export type Incidents = {
  /** Open ones before the others, newest first. */
  list(): Promise<readonly Incident[]>;
  get(id: string): Promise<Incident | undefined>;
  timeline(incident: Incident, most: number): Promise<Timeline>;
};

export const openIncidents = ({ pool }: Pick<Database, 'pool'>): Incidents => ({
  list: () => listIncidents(pool),
  get: (id) => readIncident(pool, id),
  timeline: (incident, most) => readTimeline(pool, incident, most),
});

const committed = z.object({
  body: z.object({
    class: z.array(z.string()).optional(),
    decision: z.string().optional(),
    event: z.string().optional(),
    kind: z.string().optional(),
    role: z.string().optional(),
    of: z.string().optional(),
  }),
});
type Body = z.output<typeof committed>['body'];
type Words = Pick<Happened, 'what' | 'words' | 'notable'>;

function happenedOf({ at, person, kind, verdict, body, ...row }: Row): Happened {
  const read = committed.safeParse(JSON.parse(body));
  const told = (TELL[kind] ?? nothing)(read.success ? read.data.body : {}, verdict ?? '');
  return { ...row, at: at.toISOString(), ...(person !== null && { person }), ...told };
}

const nothing = (): Words => ({ what: 'others', words: 'something else', notable: false });

const VERDICTS: Readonly<Record<string, string>> = {
  allow: 'allowed',
  hold: 'held',
  deny: 'refused',
  approved: 'approved',
};

const VOTES: Readonly<Record<string, Pick<Words, 'what' | 'words'>>> = {
  approve: { what: 'approvals', words: 'approves' },
  deny: { what: 'denials', words: 'denies' },
};

/** Settings and estimates: what the gateway answers or asks by itself. They are counted, and never told. */
export const OWN = 'statements of the gateway itself';

/** In words of the log alone: classes of statements, verdicts, events, names of roles and people. */
const TELL: Readonly<Record<string, (body: Body, verdict: string) => Words>> = {
  statement({ class: classes = [] }, verdict) {
    if (classes.length > 0 && classes.every((one) => /^countersign(\/|$)/.test(one)))
      return { what: OWN, words: classes.join(', '), notable: false };
    const said = VERDICTS[verdict] ?? verdict;
    const does = [...new Set(classes)].slice(0, 5).join(', ');
    return {
      what: `statements ${said}`,
      words: does === '' ? said : `${said}: ${does}`,
      notable: verdict !== 'allow',
    };
  },
  claim: () => ({
    what: 'approved statements run',
    words: 'runs after its approval',
    notable: true,
  }),
  request: ({ event = '', kind, role }) => ({
    what: `requests ${event}`,
    words:
      role === undefined ? `request ${event}` : `${kindOf(kind)} request ${event}: role ${role}`,
    notable: true,
  }),
  decision: ({ decision = 'other' }) => ({
    what: VOTES[decision]?.what ?? `decisions: ${decision}`,
    words: VOTES[decision]?.words ?? `decision: ${decision}`,
    notable: true,
  }),
  'session-start': (_, verdict) =>
    verdict === 'deny'
      ? { what: 'sessions refused', words: 'session refused', notable: true }
      : { what: 'sessions', words: 'session begins', notable: false },
  'session-end': () => ({ what: 'sessions ended', words: 'session ends', notable: false }),
  grant: ({ event = '', kind, role = '', of = '' }) => ({
    what: `${kindOf(kind)} ${event}`,
    words: `${kindOf(kind)} ${event}: role ${role} of ${of}`,
    notable: true,
  }),
};

const kindOf = (kind = 'access'): string => (kind === 'break-glass' ? 'break-glass' : 'access');
