import { readHappened, readTimeline, type Happened } from '#src/audit/incident-entries.ts';
import { collecting, moveIncident, takeIncident, type Incident } from '#src/audit/incidents.ts';
import type { Database, Sql } from '#src/store/database.ts';
import type { Say } from '../say.ts';
import { happenedPost, incidentPost, timelinePost } from './incident-post.ts';

export type IncidentParts = {
  readonly db: Database;
  readonly say: Pick<Say, 'say'>;
  readonly publicUrl: string;
  /** Entries that an incident tells in its thread; the others are counted. */
  readonly most?: number;
};

const MOST = 300;
/** Of one message, and of the timeline. */
const LINES = 15;
const TIMELINE = 30;

export const rootKey = ({ id }: Pick<Incident, 'id'>): string => `incident:${id}`;

/**
 * Tells the threads of incidents what has happened since: a message for each at most. What is said and how far it was read
 * are one transaction under the incident's row: several bots, or one that dies, neither lose nor double anything.
 * Throws the first that failed, after all were tried.
 */
export async function tellIncidents(parts: IncidentParts): Promise<void> {
  const failures: unknown[] = [];
  for (const id of await collecting(parts.db.pool))
    // oxlint-disable-next-line no-await-in-loop -- each under its own lock
    await parts.db
      .transaction((sql) => tell(parts, sql, id))
      .catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

async function tell(parts: IncidentParts, sql: Sql, id: string): Promise<void> {
  const incident = await takeIncident(sql, id);
  // Without the message that it stands under, there is no thread yet.
  if (!incident || !(await hasRoot(parts, sql, incident))) return;
  const { happened, next, ended } = await readHappened(sql, incident, incident.next);
  const room = Math.min(LINES, Math.max(0, (parts.most ?? MOST) - incident.told));
  const lines = chosen(happened, room);
  const after: Incident = {
    ...incident,
    next,
    counts: counted(incident.counts, happened),
    told: incident.told + lines.length,
    untold: incident.untold + happened.length - lines.length,
  };
  const { publicUrl, say } = parts;
  const thread = rootKey(incident);
  const to = { platform: incident.platform, id: incident.channel };
  if (lines.length > 0) {
    const key = `${thread}:${incident.next}`;
    const post = happenedPost(incident, lines, happened.length - lines.length, publicUrl);
    await say.say({ key, to, post, thread }, sql);
  }
  await say.say({ key: thread, to, post: incidentPost(after, publicUrl) }, sql);
  if (ended) {
    const { happened: notable, more } = await readTimeline(sql, after, TIMELINE);
    const post = timelinePost(after, notable, more, publicUrl);
    await say.say({ key: `${thread}:timeline`, to, post, thread }, sql);
  }
  await moveIncident(sql, after, ended);
}

/** It is said here if it was not yet; true once it stands there, or never will. */
async function hasRoot(
  { say, publicUrl }: IncidentParts,
  sql: Sql,
  incident: Incident,
): Promise<boolean> {
  const { rows } = await sql.query<{ message: string | null; given_up: string | null }>(
    'select message, given_up from countersign.chat_message where key = $1 and platform = $2 and place = $3',
    [rootKey(incident), incident.platform, incident.channel],
  );
  const [root] = rows;
  if (root) return root.message !== null || root.given_up !== null;
  const to = { platform: incident.platform, id: incident.channel };
  await say.say({ key: rootKey(incident), to, post: incidentPost(incident, publicUrl) }, sql);
  return false;
}

function counted(
  before: Incident['counts'],
  happened: readonly Happened[],
): Readonly<Record<string, number>> {
  const counts = new Map(Object.entries(before));
  for (const { what } of happened) counts.set(what, (counts.get(what) ?? 0) + 1);
  return Object.fromEntries(counts);
}

/** The notable ones before the others, in the order in which they happened. */
function chosen(happened: readonly Happened[], room: number): readonly Happened[] {
  return happened
    .toSorted((a, b) => Number(b.notable) - Number(a.notable) || a.index - b.index)
    .slice(0, room)
    .toSorted((a, b) => a.index - b.index);
}
