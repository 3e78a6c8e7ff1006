import type { Request } from '#src/approval/request.ts';
import type { Person } from '#src/identity/person.ts';
import type { RulesState } from '../../reload.ts';
import { mayDecide } from '../../api/rights.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { approvers, shortened, stateBadge, timeLeft, when } from '../words.ts';

const RECENT = 8;

function item(request: Request): Html {
  const { card } = request;
  return html`<li class="card">
    <a class="cover" href="/requests/${request.id}"
      ><h3 class="verb">${card.words[0] ?? 'runs a statement'}</h3></a
    >
    <p class="meta">
      ${stateBadge(request.state)}
      <span>${card.person.name} on ${card.target}</span>
      ${
        request.state === 'pending'
          ? html`<span>needs ${approvers(request.requirement)}</span> ${timeLeft(request)}`
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
};

function list(id: string, title: string, { requests, empty, kind = '' }: List): Html {
  if (requests.length === 0 && empty === undefined) return html``;
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title} <span class="count">${requests.length}</span></h2>
    ${
      requests.length === 0
        ? html`<p class="empty">${empty}</p>`
        : html`<ul class="cards ${kind}">
            ${requests.map(item)}
          </ul>`
    }
  </section>`;
}

export type Inbox = {
  readonly pending: readonly Request[];
  /** Newest first, of any state. */
  readonly all: readonly Request[];
  readonly rules?: RulesState | undefined;
};

/** For those who decide: what is asked of them follows from rules that are older than the ones on disk. */
function rulesBanner(rules: RulesState | undefined): Html | undefined {
  if (rules?.since === undefined) return undefined;
  return html`<div class="note warn" role="status">
    <p>
      The rules on disk do not load since ${when(rules.since)}. The rules of
      ${when(rules.loadedAt)}, version ${rules.version.slice(0, 12)}, are in force.
    </p>
    <ul>
      ${rules.problems.map((problem) => html`<li>${problem}</li>`)}
    </ul>
  </div>`;
}

export function inboxPage(person: Person, canDecide: boolean, inbox: Inbox): Page {
  const { pending, all, rules } = inbox;
  const soonest = pending.toSorted((a, b) => a.expiresAt.localeCompare(b.expiresAt));
  const forMe = soonest.filter((request) => mayDecide(person, request));
  const mine = soonest.filter((request) => request.card.person.email === person.email);
  const others = soonest.filter((request) => !forMe.includes(request) && !mine.includes(request));
  const recent = all.filter((request) => request.state !== 'pending').slice(0, RECENT);
  const says =
    forMe.length === 1
      ? 'One request waits for your decision'
      : `${forMe.length} requests wait for your decision`;
  return {
    title: forMe.length > 0 ? `(${forMe.length}) Inbox` : 'Inbox',
    at: 'inbox',
    body: html`<h1>Inbox</h1>
      ${canDecide ? rulesBanner(rules) : undefined}
      ${
        canDecide
          ? undefined
          : html`<p class="note">
              You are signed in to read. To decide, sign in with a token that has the scope
              <code>decide</code>.
            </p>`
      }
      <div id="inbox" data-live="${forMe.map(({ id }) => id).join(' ')}" data-says="${says}">
        ${list('for-me', 'For you to decide', {
          requests: forMe,
          empty: 'Nothing waits for your decision.',
        })}
        ${list('mine', 'You are waiting for', { requests: mine })}
        ${list('others', 'Waiting for others', { requests: others })}
        ${list('recent', 'Lately', { requests: recent, kind: 'dense' })}
      </div>`,
  };
}
