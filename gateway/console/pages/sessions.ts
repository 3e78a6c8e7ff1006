import type { SessionFound } from '#src/store/session-list.ts';
import { href } from '../filters.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import type { SessionsQuery } from '../session-query.ts';
import { duration, when } from '../words.ts';
import { narrowing, pager, views } from './lists.ts';
import { endForm, sessionState } from './session.ts';

export type SessionsView = {
  readonly query: SessionsQuery;
  readonly found: readonly SessionFound[];
  readonly next: string | undefined;
  readonly formToken: string;
  readonly mayEnd: (session: SessionFound) => boolean;
  /** Whoever sees only their own is not asked for a person. */
  readonly everybody: boolean;
};

const lasted = ({ startedAt, endedAt }: SessionFound): string =>
  duration((endedAt === undefined ? Date.now() : Date.parse(endedAt)) - Date.parse(startedAt));

function item(session: SessionFound, { formToken, mayEnd }: SessionsView): Html {
  const { id, person, agent, target, application, client, endedBy, state } = session;
  return html`<li class="card">
    <h2 class="line">
      <a href="/sessions/${id}">${person} on ${target}</a>
    </h2>
    <p class="meta">
      ${sessionState(state)} ${when(session.startedAt)} <span>for ${lasted(session)}</span>
      ${agent === undefined ? undefined : html`<span>by its agent ${agent}</span>`}
      <span>${[application, client].filter((each) => each !== '').join(' from ')}</span>
      ${endedBy === undefined ? undefined : html`<span>ended by ${endedBy}</span>`}
    </p>
    ${state === 'running' && mayEnd(session) ? endForm(id, { formToken }, 'it') : undefined}
  </li>`;
}

export function sessionsPage(view: SessionsView): Page {
  const { query, found, next, everybody } = view;
  const { state = 'running', target, person } = query;
  const kept = { target, person };
  return {
    title: 'Sessions',
    at: 'sessions',
    styles: ['session.css'],
    body: html`<h1>Sessions</h1>
      ${views(
        'States',
        (
          [
            ['Running', 'running'],
            ['Ended', 'ended'],
            ['All', 'all'],
          ] as const
        ).map(
          ([name, value]) =>
            [name, href('/sessions', { state: value, ...kept }), value === state] as const,
        ),
      )}
      <form method="get" action="/sessions">
        <input type="hidden" name="state" value="${state}" />
        ${narrowing(
          [
            { name: 'target', label: 'Target', value: target },
            ...(everybody
              ? [
                  {
                    name: 'person',
                    label: 'Person',
                    value: person,
                    help: 'Part of the address is enough',
                  },
                ]
              : []),
          ],
          href('/sessions', { state }),
        )}
      </form>
      ${
        found.length === 0
          ? html`<p class="empty">No session that you may see matches.</p>`
          : html`<ul class="cards">
              ${found.map((session) => item(session, view))}
            </ul>`
      }
      ${pager('/sessions', query, next)}`,
  };
}
