import type { Access } from '../../api/access.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { absencesPart, type AbsencesView } from './absences.ts';
import { when, wholeDuration } from '../words.ts';
import { accessLists, button, type Forms } from './access.ts';

export type NewToken = {
  readonly token: string;
  readonly label: string;
  readonly expiresAt: string;
};

export type AccountView = {
  readonly access: Access;
  readonly formToken: string;
  /** Id of the sign-in of this very page. */
  readonly here: string | undefined;
  /** What a new token may live, in milliseconds, the usual first; undefined: this sign-in cannot make one. */
  readonly lifetimes: readonly number[] | undefined;
  readonly made?: NewToken | undefined;
  readonly problem?: string | undefined;
  readonly absences?: AbsencesView | undefined;
};

function makeToken({ formToken, lifetimes }: AccountView): Html {
  if (!lifetimes)
    return html`<p class="note">
      You have signed in with a token that opens no database, so no other token can be made from it.
      Sign in with your provider, or with a token that has the scope <code>connect</code>.
    </p>`;
  return html`<form method="post" action="/account/tokens">
    <input type="hidden" name="csrf" value="${formToken}" />
    <div class="fields">
      <div>
        <label for="label">Name</label>
        <input
          id="label"
          name="label"
          required
          maxlength="60"
          autocomplete="off"
          aria-describedby="label-help"
        />
        <p id="label-help" class="help">So that you know it again: laptop, DBeaver.</p>
      </div>
      <div>
        <label for="lifetime">Lives for</label>
        <select id="lifetime" name="lifetime">
          ${lifetimes.map((ms) => html`<option value="${ms}">${wholeDuration(ms)}</option>`)}
        </select>
      </div>
    </div>
    <p class="help">
      A password for databases that also reads requests and records here. It decides nothing.
    </p>
    <button class="primary">Make a token</button>
  </form>`;
}

const shown = ({ token, label, expiresAt }: NewToken, email: string): Html =>
  html`<section class="panel" aria-labelledby="made">
    <h2 id="made" tabindex="-1">Your token “${label}”</h2>
    <p>Copy it now: it is shown this once and stored nowhere. It expires ${when(expiresAt)}.</p>
    <pre class="statement secret" tabindex="0" aria-label="The token">${token}</pre>
    <p class="help">Use it as the password of the user <code>${email}</code>.</p>
  </section>`;

export function accountPage(view: AccountView): Page {
  const { access, formToken, here, made, problem } = view;
  const forms: Forms = { action: '/account', formToken };
  const { person } = access;
  return {
    title: made ? 'Your new token' : 'Your account',
    at: 'account',
    body: html`<h1>Your account</h1>
      ${alert(problem)} ${made && shown(made, access.email)}
      <dl class="facts">
        <dt>Address</dt>
        <dd>${access.email}</dd>
        <dt>Groups</dt>
        <dd>${person?.groups.join(', ') || 'none'}</dd>
      </dl>
      ${accessLists(access, forms, here)}
      <section aria-labelledby="make">
        <h2 id="make">Make a token</h2>
        ${makeToken(view)}
      </section>
      ${view.absences && absencesPart(view.absences)}
      <section aria-labelledby="all">
        <h2 id="all">End everything</h2>
        <p>
          Signs you out everywhere, revokes all your tokens, unlinks your accounts in chat and ends
          your open sessions; what waits for approval is withdrawn. Do this when somebody else may
          have what is yours.
        </p>
        ${button(forms, 'end-everything', { label: 'End everything of mine' })}
      </section>`,
  };
}
