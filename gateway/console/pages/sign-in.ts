import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';

export type SignInView = {
  readonly formToken: string;
  /** One of our own pages. */
  readonly next: string;
  readonly providers: readonly { readonly name: string; readonly label: string }[];
  readonly problem?: string;
};

const providerLink = (name: string, label: string, next: string): Html =>
  html`<li>
    <a href="/sign-in/${encodeURIComponent(name)}?next=${encodeURIComponent(next)}"
      >Sign in with ${label}</a
    >
  </li>`;

/** Providers are links, not forms: a GET may lead to another site, which the policy of forms forbids. */
export function signInPage({ formToken, next, providers, problem }: SignInView): Page {
  return {
    title: problem === undefined ? 'Sign in' : 'Could not sign in',
    body: html`<section class="narrow panel">
      <h1>Sign in</h1>
      ${alert(problem)}
      ${
        providers.length === 0
          ? undefined
          : html`<ul class="providers">
                ${providers.map(({ name, label }) => providerLink(name, label, next))}
              </ul>
              <h2>Or with a token</h2>`
      }
      <form method="post" action="/sign-in">
        <input type="hidden" name="csrf" value="${formToken}" />
        <input type="hidden" name="next" value="${next}" />
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          required
          maxlength="512"
          autocomplete="current-password"
          autocapitalize="none"
          spellcheck="false"
          aria-describedby="token-help"
          ${providers.length === 0 ? html`autofocus` : undefined}
        />
        <p id="token-help" class="help">
          One with the scope <code>read</code> shows requests and records; one with
          <code>decide</code> also approves and denies. <code>countersign token issue</code> makes
          one.
        </p>
        <button class="primary wide">Sign in</button>
      </form>
    </section>`,
  };
}

/** Signed out here; the browser goes on to the provider by itself. */
export function signedOutPage(at: string): Page {
  return {
    title: 'Signed out',
    body: html`<section class="narrow panel">
      <h1>Signed out</h1>
      <p>You are signed out here. Your provider is told next.</p>
      <p><a href="${at}">Go on to your provider</a></p>
    </section>`,
  };
}
