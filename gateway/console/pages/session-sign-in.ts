import type { OpenSession } from '#src/identity/oidc/session-sign-ins.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { when } from '../words.ts';

type View = {
  readonly formToken: string;
  /** Address of the browser. */
  readonly here: string;
  readonly acr: string | undefined;
  /** When the sign-in that counts for it was made, ISO 8601. */
  readonly madeAt?: string;
  /** Whether a provider can vouch for this person. */
  readonly possible: boolean;
};

const fact = (name: string, value: Html | string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

/** Which session it is, so that the person can tell their own from one that somebody opened with their token. */
export function sessionSignInPage(session: OpenSession, view: View): Page {
  const { id, target, database, client, application, startedAt } = session;
  const query = view.acr === undefined ? '' : `?acr=${encodeURIComponent(view.acr)}`;
  return {
    title: 'Sign in for a session',
    at: 'records',
    body: html`<section class="narrow panel">
      <h1>Sign in for this session?</h1>
      <p>A rule shows some columns only while you have just signed in, for this session alone.</p>
      <dl class="facts">
        ${fact('Target', html`${target}${database === '' ? undefined : html` <span class="soft">database ${database}</span>`}`)}
        ${fact('Program', html`<code>${application || 'does not say'}</code> <span class="soft">as it calls itself</span>`)}
        ${fact('From', html`<code>${client}</code>`)} ${fact('Began', when(startedAt))}
        ${fact('Id', html`<a href="/sessions/${id}"><code>${id}</code></a>`)}
        ${view.madeAt === undefined ? undefined : fact('Signed in for it', when(view.madeAt))}
      </dl>
      ${
        view.madeAt === undefined
          ? undefined
          : html`<p class="note" role="status">
              You have signed in for it. Go back to your client and send the statement again.
            </p>`
      }
      <p class="note">
        Go on only if your own client gave you this link. If somebody sent it to you, do not: what
        the rule hides would be shown to whoever works in that session.
      </p>
      ${
        view.possible
          ? html`<form method="post" action="/sessions/${id}/sign-in${query}">
              <input type="hidden" name="csrf" value="${view.formToken}" />
              <button class="primary">
                ${view.madeAt === undefined ? 'Sign in for it' : 'Sign in again'}
              </button>
            </form>`
          : html`<p class="note warn">
              No OpenID provider knows you, so you cannot sign in for it. Sign in by your provider
              first, or ask the operator.
            </p>`
      }
    </section>`,
  };
}

/** The browser goes on to the provider by itself. */
export function onToProviderPage(url: string): Page {
  return {
    title: 'On to your provider',
    at: 'records',
    body: html`<section class="narrow panel">
      <h1>On to your provider</h1>
      <p>Your provider asks you to sign in anew.</p>
      <p><a href="${url}">Go on to your provider</a></p>
    </section>`,
  };
}
