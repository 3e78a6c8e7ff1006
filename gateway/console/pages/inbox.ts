import type { Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { RulesState } from '../../reload.ts';
import { isTheirTurn, mayDecide } from '../../api/rights.ts';
import { href, VIEWS, type InboxQuery } from '../filters.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { approvers, shortened, stateBadge, timeLeft, when } from '../words.ts';
import { days, narrowing, pager, views } from './lists.ts';
import { rulesBanner } from './rules.ts';

function item(request: Request): Html {
  const { card } = request;
  return html`<li class="card" data-request="${request.id}">
    <a class="cover" href="/requests/${request.id}"
      ><h3 class="verb">${card.words[0] ?? 'runs a statement'}</h3></a
    >
    <p class="meta">
      ${stateBadge(request.state)}
      <span>${card.person.name} on ${card.target}</span>
      ${
        request.state === 'pending'
          ? html`<span class="waits">needs ${approvers(request.requirement)}</span>
              ${timeLeft(request)}`
          : when(request.endedAt ?? request.createdAt)
      }
    </p>
    <pre class="statement small">${shortened(card.masked)}</pre>
  </li>`;
}

type List = {
  readonly requests: readonly Request[];
  readonly empty?: string;
  readonly kind?: string;
  /** There are more than these. */
  readonly more?: boolean;
};

function list(id: string, title: string, { requests, empty, kind = '', more }: List): Html {
  if (requests.length === 0 && empty === undefined) return html``;
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title} <span class="count">${requests.length}${more ? '+' : ''}</span></h2>
    ${
      requests.length === 0
        ? html`<p class="empty">${empty}</p>`
        : html`<ul class="cards ${kind}">
            ${requests.map(item)}
          </ul>`
    }
  </section>`;
}

type Overview = {
  readonly pending: readonly Request[];
  /** More wait than these. */
  readonly more: boolean;
  readonly ended: readonly Request[];
};
type Narrowed = { readonly found: readonly Request[]; readonly next: string | undefined };

/** What waits and what ended lately, or one list that a filter has narrowed; newest first. */
export type Lists = Overview | Narrowed;
export type Inbox = Lists & {
  readonly canDecide: boolean;
  readonly rules?: RulesState | undefined;
  readonly query: InboxQuery;
};

const isForMe = (person: Person, request: Request): boolean =>
  mayDecide(person, request) && isTheirTurn(person, request);

function overview(person: Person, inbox: Overview): Html {
  const soonest = inbox.pending.toSorted((a, b) => a.expiresAt.localeCompare(b.expiresAt));
  const forMe = soonest.filter((request) => isForMe(person, request));
  const mine = soonest.filter((request) => request.card.person.email === person.email);
  const others = soonest.filter((request) => !forMe.includes(request) && !mine.includes(request));
  return html`${list('for-me', 'For you to decide', {
    requests: forMe,
    empty: 'Nothing waits for your decision.',
  })}
  ${list('mine', 'You are waiting for', { requests: mine })}
  ${list('others', 'Waiting for others', { requests: others })}
  ${
    inbox.more
      ? html`<p><a href="${href('/', { state: 'open' })}">More wait: all that are open</a></p>`
      : undefined
  }
  ${list('recent', 'Lately', { requests: inbox.ended, kind: 'dense' })}`;
}

function narrowed({ found: requests, next }: Narrowed, query: InboxQuery): Html {
  const more = next !== undefined;
  return html`${list('found', VIEWS[query.state ?? 'all'], {
    requests,
    more,
    empty: 'No request that you may see matches.',
    kind: query.state === 'mine' ? '' : 'dense',
  })}
  ${pager('/', query, next)}`;
}

function filters(query: InboxQuery): Html {
  const { state, target, person, from, to } = query;
  const kept = { target, person, from, to };
  const narrows = Object.values(kept).some((value) => value !== undefined);
  const shown = state ?? (narrows || query.before !== undefined ? 'all' : undefined);
  return html`${views('Requests', [
      ['Now', '/', shown === undefined],
      ...(['mine', 'open', 'decided', 'ended', 'all'] as const).map(
        (view) => [VIEWS[view], href('/', { state: view, ...kept }), view === shown] as const,
      ),
    ])}
    <form method="get" action="/">
      <input type="hidden" name="state" value="${shown ?? 'all'}" />
      ${narrowing(
        [
          { name: 'target', label: 'Target', value: target },
          {
            name: 'person',
            label: 'Person',
            value: person,
            help: 'Who asked: part of it is enough',
          },
          ...days(query),
        ],
        href('/', { state }),
      )}
    </form>`;
}

const waitsForYou = (count: number): string =>
  count === 1 ? 'One request waits for your decision' : `${count} requests wait for your decision`;

export function inboxPage(person: Person, inbox: Inbox): Page {
  const { canDecide, rules, query } = inbox;
  const shown = 'found' in inbox ? inbox.found : inbox.pending;
  const forMe = shown.filter((request) => isForMe(person, request));
  const count = forMe.length > 0 ? `(${forMe.length}) ` : '';
  return {
    title: `${count}Inbox${query.state === undefined ? '' : `: ${VIEWS[query.state]}`}`,
    at: 'inbox',
    body: html`<div class="head">
        <h1>Inbox</h1>
        <button id="more" class="primary" type="button" hidden>Show what is new</button>
      </div>
      ${canDecide ? rulesBanner(rules) : undefined}
      ${
        canDecide
          ? undefined
          : html`<p class="note">
              You are signed in to read. To decide, sign in with a token that has the scope
              <code>decide</code>.
            </p>`
      }
      ${filters(query)}
      <div
        id="inbox"
        data-live="${forMe
          .map(({ id }) => id)
          .toSorted()
          .join(' ')}"
        data-says="${waitsForYou(forMe.length)}"
        data-patient
      >
        ${'found' in inbox ? narrowed(inbox, query) : overview(person, inbox)}
      </div>`,
  };
}
