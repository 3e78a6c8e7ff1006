import type { Access } from '../../api/access.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { badge } from '../words.ts';
import { accessLists, button, type Forms } from './access.ts';

const path = (email: string): string => `/people/${encodeURIComponent(email)}`;

/** Whom something is known of; `asked` was looked for. */
export function peoplePage(emails: readonly string[], asked: string): Page {
  return {
    title: 'People',
    at: 'people',
    body: html`<h1>People</h1>
      <form class="search" method="get" action="/people" role="search">
        <label for="email">E-mail address</label>
        <input
          id="email"
          name="email"
          type="search"
          value="${asked}"
          maxlength="254"
          autocapitalize="none"
          autocomplete="off"
          spellcheck="false"
        />
        <button class="primary">Search</button>
      </form>
      ${
        emails.length === 0
          ? html`<p class="empty">Nobody like that is known here.</p>`
          : html`<ul class="cards dense">
              ${emails.map((email) => html`<li class="card"><a class="cover" href="${path(email)}">${email}</a></li>`)}
            </ul>`
      }`,
  };
}

export type PersonView = {
  readonly access: Access;
  readonly formToken: string;
  /** It is the reader's own page, on which nobody decides about themselves. */
  readonly own: boolean;
  readonly canEnd: boolean;
  readonly problem?: string | undefined;
};

function stateOf({ person, state }: Access): Html {
  if (state?.state === 'deactivated') return badge('Deactivated', 'bad');
  if (state?.state === 'gone') return badge('Gone at the provider', 'bad');
  return person ? badge('Active', 'good') : badge('May do nothing now', 'wait');
}

function source({ person, state }: Access): string {
  if (person?.machine) return 'a machine of the configuration';
  if (state?.scim) return `${state.provider ?? ''}, announced by SCIM`;
  return state?.provider ?? 'the configuration';
}

function acts({ access, formToken }: PersonView): Html {
  const forms: Forms = { action: path(access.email), formToken };
  const name = access.email;
  const { state } = access;
  return html`<section aria-labelledby="all">
    <h2 id="all">End everything</h2>
    <p>
      Ends all sign-ins, tokens and open sessions of ${name} now. Without deactivating, they can
      sign in again.
    </p>
    <div class="fields">
      ${button(forms, 'end-everything', { label: 'End everything' })}
      ${
        state?.state === 'deactivated'
          ? button(forms, 'activate', { label: 'Let in again' })
          : button(forms, 'deactivate', { label: 'Deactivate' })
      }
      ${
        state?.provider === undefined || state.scim
          ? undefined
          : button(forms, 'release', { label: 'Release the address' })
      }
    </div>
    <p class="help">
      Releasing lets whoever signs in next with this address have it: only when it has changed
      hands.
    </p>
  </section>`;
}

export function personPage(view: PersonView): Page {
  const { access, formToken, own, canEnd, problem } = view;
  const forms: Forms = { action: path(access.email), formToken };
  const { person } = access;
  return {
    title: access.email,
    at: 'people',
    body: html`<h1>${access.email}</h1>
      ${alert(problem)}
      <dl class="facts">
        <dt>State</dt>
        <dd>${stateOf(access)}</dd>
        <dt>Known from</dt>
        <dd>${source(access)}</dd>
        <dt>Groups</dt>
        <dd>${person?.groups.join(', ') || 'none'}</dd>
      </dl>
      ${accessLists(access, forms, undefined)}
      ${
        own
          ? html`<p class="note">This is you: <a href="/account">your account</a> has more.</p>`
          : canEnd
            ? acts(view)
            : html`<p class="note">To end something here, sign in with the scope decide.</p>`
      }`,
  };
}
