import { lengthOf } from '#src/approval/access.ts';
import type { Grant } from '#src/approval/request.ts';
import { minutesOf, type Offer } from '../../roles.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { approvers } from '../words.ts';
import { grantBadge, grantTimes } from './role.ts';

export type RolesView = {
  readonly email: string;
  readonly formToken: string;
  readonly offers: readonly Offer[];
  readonly own: readonly Grant[];
  /** Of others, that the caller may see. */
  readonly others: readonly Grant[];
  readonly unreviewed: readonly Grant[];
  readonly problem?: string;
  /** What was typed, when it was refused. */
  readonly typed?: { readonly offer: string; readonly duration: string; readonly reason: string };
  readonly postgres: { readonly host: string; readonly port: number } | undefined;
};

export const offerKey = ({ target, role, action }: Offer): string =>
  JSON.stringify([action, target, role]);

function grantRow(grant: Grant, whose: boolean): Html {
  const { kind, role, target, person, request } = grant;
  const name = html`${kind === 'break-glass' ? 'Break-glass: ' : undefined}${role} on ${target}`;
  return html`<li class="card held">
    <div class="what">
      <h3>${request === undefined ? name : html`<a href="/requests/${request}">${name}</a>`}</h3>
      <p class="soft">${whose ? html`${person}, ` : undefined}${grantTimes(grant)}</p>
    </div>
    ${grantBadge(grant)}
  </li>`;
}

const list = (
  id: string,
  title: string,
  grants: readonly Grant[],
  none: string,
  whose: boolean,
): Html =>
  html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title}</h2>
    ${
      grants.length === 0
        ? html`<p class="soft">${none}</p>`
        : html`<ul class="cards">
            ${grants.map((grant) => grantRow(grant, whose))}
          </ul>`
    }
  </section>`;

function words(offer: Offer): string {
  const { target, role, access } = offer;
  const most = lengthOf(access.terms.longestMs);
  const by =
    access.kind === 'hold'
      ? `approved by ${approvers(access.requirement)}`
      : access.terms.fresh
        ? 'at once, after a fresh sign-in'
        : 'at once';
  return `${role} on ${target}, at most ${most}, ${by}`;
}

function form(view: RolesView, offers: readonly Offer[], glass: boolean): Html {
  const id = glass ? 'glass' : 'ask';
  const typed = offers.some((offer) => offerKey(offer) === view.typed?.offer)
    ? view.typed
    : undefined;
  const shortest = Math.min(...offers.map(({ access }) => access.terms.longestMs), 3_600_000);
  const needed = glass || offers.every(({ access }) => access.terms.reasonRequired);
  return html`<form class="role-form" method="post" action="/access">
    <input type="hidden" name="csrf" value="${view.formToken}" />
    <label for="${id}-offer">Role</label>
    <select id="${id}-offer" name="offer" required>
      ${offers.map((offer) => {
        const key = offerKey(offer);
        return html`<option value="${key}" ${key === typed?.offer ? html`selected` : undefined}>
          ${words(offer)}
        </option>`;
      })}
    </select>
    <label for="${id}-duration">For how long</label>
    <input
      id="${id}-duration"
      name="duration"
      value="${typed?.duration ?? `${minutesOf(shortest)}m`}"
      required
      pattern="[0-9]+[mhd]"
      aria-describedby="${id}-duration-help"
    />
    <p class="help" id="${id}-duration-help">A number and m, h or d: 45m, 2h.</p>
    <label for="${id}-reason">Reason</label>
    <textarea
      id="${id}-reason"
      name="reason"
      rows="3"
      maxlength="1000"
      ${needed ? html`required` : undefined}
      aria-describedby="${id}-reason-help"
    >
${typed?.reason ?? ''}</textarea>
    <p class="help" id="${id}-reason-help">
      ${
        glass
          ? 'At least ten words: what is broken, and what you will do. It is told to everybody who approves, and somebody else reviews what you did.'
          : 'Approvers read it, and it is recorded.'
      }
    </p>
    <div class="buttons">
      <button class="${glass ? 'danger' : 'primary'}">${glass ? 'Break the glass' : 'Ask'}</button>
    </div>
  </form>`;
}

/** What one has, what one may ask for, and what of others one may end or has to review. */
export function rolesPage(view: RolesView): Page {
  const asks = view.offers.filter(({ action }) => action === 'request');
  const glass = view.offers.filter(({ action }) => action === 'break-glass');
  const [first] = view.own.filter(({ state }) => state === 'live' || state === 'waiting');
  return {
    title: 'Access',
    at: 'access',
    body: html`<h1>Access</h1>
      ${alert(view.problem)}
      ${
        view.unreviewed.length > 0
          ? list('unreviewed', 'Waits for a review', view.unreviewed, '', true)
          : undefined
      }
      ${list('own', 'What you have', view.own, 'You have no role for a time now.', false)}
      ${
        first && view.postgres
          ? html`<p class="soft">Connect as always:</p>
              <pre class="statement small">
psql "host=${view.postgres.host} port=${view.postgres.port} user=${view.email} dbname=${first.target}"</pre>`
          : undefined
      }
      <section aria-labelledby="ask">
        <h2 id="ask">Ask for a role</h2>
        ${
          asks.length === 0
            ? html`<p class="soft">No rule lets you ask for a role.</p>`
            : form(view, asks, false)
        }
      </section>
      ${
        glass.length === 0
          ? undefined
          : html`<section aria-labelledby="glass">
              <h2 id="glass">Break the glass</h2>
              ${form(view, glass, true)}
            </section>`
      }
      ${view.others.length > 0 ? list('others', 'What others have', view.others, '', true) : undefined}`,
  };
}
