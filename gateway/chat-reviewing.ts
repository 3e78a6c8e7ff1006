import {
  IncidentOpen,
  startIncident,
  stopIncident,
  type Incident,
  type NewIncident,
} from '#src/audit/incidents.ts';
import { openRecords } from '#src/audit/records.ts';
import type { FoundPage } from '#src/audit/search/search.ts';
import { openSearch } from '#src/audit/search/search.ts';
import type { Charted } from '#src/audit/summary/charted.ts';
import type { Asked as Part } from '#src/audit/summary/part.ts';
import { openSummaries, type Summaries, type Summary } from '#src/audit/summary/summary.ts';
import type { Person } from '#src/identity/person.ts';
import { Problem } from './api/problem.ts';
import { maySeeAllRecords } from './api/rights.ts';
import { findRecords } from './api/searching.ts';
import { partFor, slowly } from './api/summaries.ts';
import type { Core } from './core.ts';

type Via = 'slack' | 'teams';
type Summed = { readonly summary: Summary; readonly charted: Charted };
type Kind = 'record' | 'request' | 'session' | 'grant';

/** What the gateway shows of the log to people in chat, with the rights and records that API and console have. */
export function openReviewing(core: Core, opened: AsyncDisposableStack) {
  const { db, audit, config, onError } = core;
  if (!config.audit) return undefined;
  const search = opened.adopt(openSearch(db.url, onError), (open) => open.close());
  const summaries = opened.adopt(
    openSummaries({ url: db.url, hours: config.audit.workingHours, onError }),
    (open) => open.close(),
  );
  const deps = { audit, search, summaries };
  return {
    maySeeAll: maySeeAllRecords,
    async summary(
      person: Person,
      asked: { readonly from?: string; readonly to?: string; readonly target?: string },
      via: Via,
    ): Promise<Summed & { readonly own: boolean }> {
      const { part } = await partFor(deps, { person, via }, asked);
      return { ...(await summed(summaries, part)), own: part.person !== undefined };
    },
    search: (
      person: Person,
      asked: { readonly q: string; readonly limit: number; readonly cursor?: string },
      via: Via,
    ): Promise<FoundPage> => findRecords(deps, { person, via }, asked),
    async digest(
      channel: string,
      { from, to, target }: { readonly from: number; readonly to: number; readonly target: string },
    ): Promise<Summed> {
      const [since, until] = [from, to].map((at) => new Date(at).toISOString());
      const body = { looked: 'digest', channel, from: since ?? '', to: until ?? '', target };
      await audit.append({ kind: 'look', body });
      return summed(summaries, { from, to, target });
    },
    outline: (kind: Kind, id: string) => outlineOf(core, kind, id),
    async startIncident(person: Person, asked: NewIncident): Promise<Incident> {
      demandAll(person);
      return startIncident(core, asked, person.email).catch((error: unknown) => {
        if (!(error instanceof IncidentOpen)) throw error;
        throw new Problem(
          409,
          'incident-open',
          `${asked.name} is open already. Stop it first, or take another name.`,
        );
      });
    },
    async stopIncident(person: Person, name: string, via: Via): Promise<Incident> {
      demandAll(person);
      const stopped = await stopIncident(core, name, { by: person.email, via });
      if (stopped) return stopped;
      throw new Problem(404, 'no-incident', `There is no open incident ${name}. Check its name.`);
    },
  };
}

/** What a channel is shown of the targets is whatever happens there: not one's own acts alone. */
function demandAll(person: Person): void {
  if (maySeeAllRecords(person)) return;
  throw new Problem(
    403,
    'not-allowed',
    'Only members of dba, security and oncall start and stop incidents. Ask one of them.',
  );
}

const summed = (summaries: Summaries, part: Part): Promise<Summed> =>
  slowly(async () => {
    const [summary, charted] = await Promise.all([
      summaries.summary(part),
      summaries.charted(part),
    ]);
    return { summary, charted };
  });

type Outline = {
  readonly kind: Kind;
  readonly id: string;
  readonly at?: string;
  readonly state: string;
};

/** Nothing of who, where or what: it is shown to everybody in a channel. */
async function outlineOf(
  { db, requests }: Pick<Core, 'db' | 'requests'>,
  kind: Kind,
  id: string,
): Promise<Outline | undefined> {
  const records = openRecords(db);
  switch (kind) {
    case 'record': {
      const record = await records.get(id);
      return record && { kind, id, at: record.at, state: record.verdict ?? record.kind };
    }
    case 'request': {
      const request = await requests.get(id);
      return request && { kind, id, at: request.createdAt, state: request.state };
    }
    case 'grant': {
      const grant = await requests.grants.get(id);
      return (
        grant && { kind, id, state: grant.state, ...(grant.startsAt && { at: grant.startsAt }) }
      );
    }
    case 'session': {
      const [start] = await records.search(`session:${id} kind:session-start`, 1);
      const [end] = await records.search(`session:${id} kind:session-end`, 1);
      return start && { kind, id, at: start.at, state: end ? 'ended' : 'open' };
    }
    default:
      return kind satisfies never;
  }
}
