import { idParams } from '../api/schemas.ts';
import { notFound, Problem } from '../api/problem.ts';
import { recordLook } from '../api/reading.ts';
import { maySeeAllRecords } from '../api/rights.ts';
import { parse } from '../api/route.ts';
import type { HttpDeps } from '../api/deps.ts';
import type { Person } from '#src/identity/person.ts';
import { incidentPage, incidentsPage } from './pages/incidents.ts';
import type { FastifyRequest } from 'fastify';
import type { Caller } from '../api/authenticate.ts';
import type { Page } from './layout.ts';
import type { ConsoleParts } from './parts.ts';

const MOST = 500;

type MakePage = (
  path: string,
  make: (caller: Caller, request: FastifyRequest) => Promise<Page>,
) => void;

/** Incidents, for those who may see every record. */
export function incidentPages(
  { deps }: ConsoleParts,
  incidents: NonNullable<HttpDeps['incidents']>,
  page: MakePage,
): void {
  page('/incidents', async ({ person }) => {
    demandAll(person);
    return incidentsPage(await incidents.list());
  });
  page('/incidents/:id', async ({ person }, request) => {
    demandAll(person);
    const { id } = parse(idParams, request.params, 'path');
    const incident = await incidents.get(id);
    if (!incident) throw notFound('incident');
    await recordLook(deps, { person, via: 'console' }, { looked: 'incident', incident: id });
    return incidentPage(incident, await incidents.timeline(incident, MOST));
  });
}

function demandAll(person: Person): void {
  if (maySeeAllRecords(person)) return;
  throw new Problem(
    403,
    'not-allowed',
    'Only members of dba, security and oncall see incidents. Your own acts are under Records.',
  );
}
