import { assetUrl } from '../assets.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';

/**
 * What a provider posted came without our cookie, since another site had sent it; this page's own form brings the
 * cookie. A script presses the button where there are scripts.
 */
export function goOnPage(action: string, ticket: string, label: string): Page {
  return {
    title: 'Signing in',
    body: html`<section class="narrow panel">
      <h1>Signing in</h1>
      <p>${label} has answered.</p>
      <form method="post" action="${action}" id="go-on">
        <input type="hidden" name="ticket" value="${ticket}" />
        <button class="primary wide">Continue</button>
      </form>
      <script type="module" src="${assetUrl('go-on.js')}"></script>
    </section>`,
  };
}

export function signedOutPage(label: string): Page {
  return {
    title: 'Signed out',
    body: html`<section class="narrow panel">
      <h1>Signed out</h1>
      <p>You have signed out at ${label}, and so here too.</p>
      <p><a href="/sign-in">Sign in again</a></p>
    </section>`,
  };
}
