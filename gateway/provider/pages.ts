import type { Person } from '#src/identity/person.ts';
import { html, Html, type Part } from '../console/html.ts';
import { alert, layout, type Page } from '../console/layout.ts';

const PRETEND =
  'Whoever can open this page can be any of these people. It is for trying Countersign on one machine, never for production.';

const narrow = (title: string, ...body: readonly Part[]): Page => ({
  title,
  body: html`<section class="narrow panel">
    <h1>${title}</h1>
    ${body}
  </section>`,
});

/** The whole document. */
export const document = (page: Page): string => layout({ caller: undefined, formToken: '' }, page);

/** One button for each person; each sends `person`. */
export function peoplePage(action: string, people: Iterable<Person>, problem?: string): Page {
  const buttons = [...people].map(
    ({ email, name, groups }) =>
      html`<li>
        <button class="wide" name="person" value="${email}">${name}</button>
        <p class="help">${[email, ...groups].join(' · ')}</p>
      </li>`,
  );
  return narrow(
    'Who are you?',
    alert(problem),
    html`<p>${PRETEND}</p>`,
    html`<form method="post" action="${action}">
      <ul class="plain">
        ${buttons}
      </ul>
      <button class="quiet" name="person" value="">Cancel</button>
    </form>`,
  );
}

/** `form` is the library's own, with hidden fields only. */
export function signOutPage(form: string): Page {
  return narrow(
    'Sign out',
    html`<p>
      Who is signed in with this browser loses everything at Countersign at once: sessions, open
      requests, sign-ins and tokens.
    </p>`,
    new Html(form),
    html`<button class="primary wide" form="op.logoutForm" name="logout" value="yes" autofocus>
      Sign out
    </button>`,
  );
}

export function signedOutPage(console: string): Page {
  return narrow('Signed out', html`<p><a href="${console}">To the console</a></p>`);
}

/** The library sends such a form by an inline script; here the person does. */
export function goOnPage(action: string, fields: readonly (readonly [string, string])[]): Page {
  const inputs = fields.map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );
  return narrow(
    'Signed out',
    html`<form method="post" action="${action}">
      ${inputs}<button class="primary wide" autofocus>Continue</button>
    </form>`,
  );
}

export function problemPage(problem: string, console: string): Page {
  return narrow(
    'Could not sign in',
    alert(problem),
    html`<p><a href="${console}">To the console</a></p>`,
  );
}
