import type { Timeline } from '#src/audit/incident-entries.ts';
import type { Incident } from '#src/audit/incidents.ts';
import { href } from '../filters.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { badge, when } from '../words.ts';

const state = ({ stoppedAt }: Incident): Html =>
  stoppedAt === undefined ? badge('Open', 'wait') : badge('Stopped', 'still');

const times = ({ startedAt, startedBy, stoppedAt, stoppedBy }: Incident): Html =>
  html`<span>Started by ${startedBy} ${when(startedAt)}</span>${
      stoppedAt === undefined
        ? undefined
        : html`<span>Stopped by ${stoppedBy} ${when(stoppedAt)}</span>`
    }`;

/** Newest first, with those that are open before the others. */
export function incidentsPage(incidents: readonly Incident[]): Page {
  return {
    title: 'Incidents',
    at: 'records',
    body: html`<h1>Incidents</h1>
      <p class="help">
        What happens on some targets, collected in a thread of the chat:
        <code>/audit incident start INC-42 target:prod-*</code>
      </p>
      ${
        incidents.length === 0
          ? html`<p class="empty">There was none yet.</p>`
          : html`<ol class="cards">
              ${incidents.map(
                (incident) =>
                  html`<li class="card">
                    <a class="cover" href="/incidents/${incident.id}"><h2>${incident.name}</h2></a>
                    <p class="meta">
                      ${state(incident)} <span>${incident.target}</span> ${times(incident)}
                    </p>
                  </li>`,
              )}
            </ol>`
      }`,
  };
}

const query = ({ target, startedAt, stoppedAt }: Incident): string =>
  [`target:${target}`, `after:${startedAt}`, stoppedAt && `before:${stoppedAt}`]
    .filter(Boolean)
    .join(' ');

/** What was held, refused, decided or granted, oldest first. */
export function incidentPage(incident: Incident, { happened, more }: Timeline): Page {
  const { name, target, note, counts } = incident;
  const q = query(incident);
  return {
    title: `Incident ${name}`,
    at: 'records',
    body: html`<p><a href="/incidents">Incidents</a></p>
      <h1>${name}</h1>
      <p class="meta">${state(incident)} <span>${target}</span> ${times(incident)}</p>
      ${note === '' ? undefined : html`<p>${note}</p>`}
      <h2>What there was</h2>
      ${
        Object.keys(counts).length === 0
          ? html`<p class="empty">Nothing has happened there yet.</p>`
          : html`<ul>
              ${Object.entries(counts)
                .toSorted(([, a], [, b]) => b - a)
                .map(([what, count]) => html`<li>${what}: ${count.toLocaleString('en')}</li>`)}
            </ul>`
      }
      <p class="act">
        <a href="${href('/records', { q })}">All its records</a>
        <a
          href="${href('/records/export', { q, format: 'ndjson', proofs: 'true', limit: '10000' })}"
          >Export with proofs</a
        >
      </p>
      <h2>Timeline</h2>
      ${
        happened.length === 0
          ? html`<p class="empty">Nothing was held, refused, decided or granted.</p>`
          : html`<ol class="cards dense">
              ${happened.map(
                (one) =>
                  html`<li class="card">
                    <a class="cover" href="/records/${one.record}"><h3>${one.words}</h3></a>
                    <p class="meta">
                      ${one.person === undefined ? undefined : html`<span>${one.person}</span>`}
                      <span>${one.target}</span> ${when(one.at)}
                    </p>
                  </li>`,
              )}
            </ol>`
      }
      ${more === 0 ? undefined : html`<p>And ${more.toLocaleString('en')} more, among its records.</p>`}`,
  };
}
