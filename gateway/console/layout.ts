import type { Person } from '#src/identity/person.ts';
import { mayAdminister } from '../api/rights.ts';
import { assetUrl, type Script, type Style } from './assets.ts';
import { html, type Html } from './html.ts';

/** No inline script or style anywhere; the script may not make markup from text either. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
];
export const CSP = POLICY.join('; ');

/**
 * Of the page with the player of terminals: it draws with WebAssembly, and makes its own parts from markup, which the one
 * policy of its script looks at.
 */
export const PLAYER_CSP = POLICY.map((each) =>
  each === "script-src 'self'"
    ? "script-src 'self' 'wasm-unsafe-eval'"
    : each === "trusted-types 'none'"
      ? 'trusted-types default'
      : each,
).join('; ');

export type Frame = {
  readonly caller: { readonly person: Person } | undefined;
  /** Goes into every form. */
  readonly formToken: string;
};

export type Page = {
  readonly title: string;
  readonly at?: 'inbox' | 'access' | 'sessions' | 'records' | 'verify' | 'people' | 'account';
  /** Modules of this page alone. */
  readonly scripts?: readonly Script[];
  readonly styles?: readonly Style[];
  /** With the player of terminals, and what it needs. */
  readonly player?: true;
  readonly body: Html;
};

const tab = (here: boolean, href: string, name: string): Html =>
  here
    ? html`<a href="${href}" aria-current="page">${name}</a>`
    : html`<a href="${href}">${name}</a>`;

const mark = (): Html => html`<img src="${assetUrl('mark.svg')}" alt="" width="28" height="28" />`;

function header({ caller, formToken }: Frame, at: Page['at']): Html {
  if (!caller)
    return html`<header class="top"><a class="brand" href="/">${mark()} Countersign</a></header>`;
  return html`<header class="top">
    <a class="brand" href="/">${mark()} Countersign</a>
    <nav aria-label="Main">
      ${tab(at === 'inbox', '/', 'Inbox')} ${tab(at === 'access', '/access', 'Access')}
      ${tab(at === 'sessions', '/sessions', 'Sessions')}
      ${tab(at === 'records', '/records', 'Records')} ${tab(at === 'verify', '/verify', 'Verify')}
      ${mayAdminister(caller.person) ? tab(at === 'people', '/people', 'People') : undefined}
    </nav>
    <form class="who" method="post" action="/sign-out">
      <input type="hidden" name="csrf" value="${formToken}" />
      <a
        href="/account"
        title="${caller.person.email}"
        ${at === 'account' ? html`aria-current="page"` : undefined}
        ><span class="unseen">Your account: </span>${caller.person.name}</a
      >
      <button class="quiet">Sign out</button>
    </form>
  </header>`;
}

export function layout(frame: Frame, page: Page): string {
  const document = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${page.title} · Countersign</title>
        <link rel="stylesheet" href="${assetUrl('console.css')}" />
        ${page.styles?.map((name) => html`<link rel="stylesheet" href="${assetUrl(name)}" />`)}
        <link rel="icon" type="image/svg+xml" href="${assetUrl('mark.svg')}" />
        ${frame.caller && html`<script type="module" src="${assetUrl('live.js')}"></script>`}
        ${page.player && html`<script defer src="${assetUrl('asciinema-player.min.js')}"></script>`}
        ${page.scripts?.map((name) => html`<script type="module" src="${assetUrl(name)}"></script>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        ${header(frame, page.at)}
        <main id="main" tabindex="-1">${page.body}</main>
        ${
          frame.caller &&
          html`<footer>
            <p>Every decision, search and look here is recorded.</p>
            <p id="live">Reload to see news.</p>
            <p id="news" class="unseen" role="status" aria-live="polite"></p>
          </footer>`
        }
      </body>
    </html>`;
  return document.text;
}

/** A problem, said where the person will read it first. */
export const alert = (text: string | undefined): Html | undefined =>
  text === undefined
    ? undefined
    : html`<div class="alert" role="alert" id="problem" tabindex="-1">${text}</div>`;
