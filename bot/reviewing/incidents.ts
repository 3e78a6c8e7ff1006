import { OWN, readHappened, readTimeline, type Happened } from '#src/audit/incident-entries.ts';
import { collecting, moveIncident, takeIncident, type Incident } from '#src/audit/incidents.ts';
import type { Config } from '#src/config/config.ts';
import type { Database, Sql } from '#src/store/database.ts';
import type { Say } from '../say.ts';
import { happenedPost, incidentPost, timelinePost } from './incident-post.ts';

export type IncidentParts = {
  readonly db: Database;
  readonly say: Pick<Say, 'say'>;
  readonly publicUrl: string;
  /** Incidents are told in channels of the configuration alone. */
  readonly config: Pick<Config, 'chat'>;
  /** Entries that an incident tells in its thread; the others are counted. */
  readonly most?: number;
};

const MOST = 300;
/** Of one message, and of the timeline. */
const LINES = 15;
const TIMELINE = 30;

const rootKey = ({ id }: Pick<Incident, 'id'>): string => `incident:${id}`;

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
  if (!incident) return;
  const thread = await threadOf(parts, sql, incident);
  // Without the message that it stands under, there is no thread yet.
  if (thread === 'later') return;
  const { happened: all, next, ended } = await readHappened(sql, incident, incident.next);
  const happened = all.filter(({ what }) => what !== OWN);
  const left = Math.max(0, (parts.most ?? MOST) - incident.told);
  const lines = chosen(happened, thread === 'open' ? Math.min(LINES, left) : 0);
  const after: Incident = {
    ...incident,
    next,
    counts: counted(incident.counts, all),
    told: incident.told + lines.length,
    untold: incident.untold + happened.length - lines.length,
  };
  if (thread === 'open') await sayAll(parts, sql, { after, incident, happened, lines, ended });
  await moveIncident(sql, after, ended);
}

type Round = {
  readonly incident: Incident;
  readonly after: Incident;
  readonly happened: readonly Happened[];
  readonly lines: readonly Happened[];
  readonly ended: boolean;
};

async function sayAll(
  { say, publicUrl }: IncidentParts,
  sql: Sql,
  { incident, after, happened, lines, ended }: Round,
): Promise<void> {
  const thread = rootKey(incident);
  const to = { platform: incident.platform, id: incident.channel };
  if (lines.length > 0) {
    const key = `${thread}:${incident.next}`;
    const post = happenedPost(incident, lines, happened.length - lines.length, publicUrl);
    await say.say({ key, to, post, thread }, sql);
  }
  await say.say({ key: thread, to, post: incidentPost(after, publicUrl) }, sql);
  if (!ended) return;
  const { happened: notable, more } = await readTimeline(sql, after, TIMELINE);
  const post = timelinePost(after, notable, more, publicUrl);
  await say.say({ key: `${thread}:timeline`, to, post, thread }, sql);
}

/**
 * Whether there is a thread to tell it in. `later`: its first message does not stand there yet, and is said if it was not;
 * `never`: the channel refused it, or is not in the configuration any more, and it is in the console alone.
 */
async function threadOf(
  { say, publicUrl, config }: IncidentParts,
  sql: Sql,
  incident: Incident,
): Promise<'open' | 'later' | 'never'> {
  const { platform, channel: id } = incident;
  if (![...config.chat.channels.values()].some((ids) => ids[platform] === id)) return 'never';
  const key = rootKey(incident);
  const { rows } = await sql.query<{ message: string | null; given_up: string | null }>(
    'select message, given_up from countersign.chat_message where key = $1 and platform = $2 and place = $3',
    [key, platform, id],
  );
  const [root] = rows;
  if (root) return root.message !== null ? 'open' : root.given_up === null ? 'later' : 'never';
  await say.say({ key, to: { platform, id }, post: incidentPost(incident, publicUrl) }, sql);
  return 'later';
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
