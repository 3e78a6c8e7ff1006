import type { DeviceLogin } from '#src/identity/devices.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import { when } from '../words.ts';

type Form = { readonly formToken: string; readonly problem?: string | undefined };

/** Where the code is typed, or shown as the link brought it; nothing was looked up yet. */
export function devicePage({ formToken, problem }: Form, code: string): Page {
  return {
    title: 'Sign in a terminal',
    body: html`<section class="narrow panel">
      <h1>Sign in a terminal</h1>
      ${alert(problem)}
      <form method="post" action="/device">
        <input type="hidden" name="csrf" value="${formToken}" />
        <label for="code">Code that your terminal shows</label>
        <input
          id="code"
          name="code"
          value="${code}"
          required
          maxlength="20"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck="false"
          placeholder="BCDF-GHJK"
          aria-describedby="code-help"
          autofocus
        />
        <p id="code-help" class="help">
          Go on only if you have started the sign-in yourself, just now, and see this very code in
          your own terminal. Whoever sends you a code or a link wants to work in your name.
        </p>
        <button class="primary wide">Continue</button>
      </form>
    </section>`,
  };
}

const fact = (name: string, value: Html | string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

/** Who asks, from where and when; the person compares and decides. `here` is the address of their browser. */
export function confirmPage(
  { formToken, problem }: Form,
  login: DeviceLogin,
  who: { readonly email: string; readonly here: string; readonly grants: string },
): Page {
  const elsewhere = login.address !== who.here;
  return {
    title: 'Is this your terminal?',
    body: html`<section class="narrow panel">
      <h1>Is this your terminal?</h1>
      ${alert(problem)}
      <dl class="facts">
        ${fact('Code', html`<strong><code>${login.code}</code></strong>`)}
        ${fact('Program', html`<code>${login.client}</code> <span class="soft">as it calls itself</span>`)}
        ${fact('Asked from', html`<code>${login.address}</code>`)}
        ${fact('Asked', when(login.createdAt.toISOString()))} ${fact('Signs in as', who.email)}
        ${fact('Will be able to', who.grants)}
      </dl>
      ${
        elsewhere
          ? html`<p class="note warn">
              The terminal asks from another address than this browser (<code>${who.here}</code>).
              That is so for a server that you are logged in to; for your own computer it is not.
            </p>`
          : undefined
      }
      <p class="note">
        Confirm only if you have started this yourself, and your terminal shows the same code. If
        somebody sent you the code or the link, deny: they would run statements in your name.
      </p>
      <form method="post" action="/device/decision">
        <input type="hidden" name="csrf" value="${formToken}" />
        <input type="hidden" name="login" value="${login.id}" />
        <div class="buttons">
          <button class="primary" name="decision" value="approve">Confirm</button>
          <button class="danger" name="decision" value="deny">Deny</button>
        </div>
      </form>
    </section>`,
  };
}

export function decidedPage(approved: boolean): Page {
  return {
    title: approved ? 'Confirmed' : 'Denied',
    body: html`<section class="narrow panel">
      <h1>${approved ? 'Confirmed' : 'Denied'}</h1>
      <p>
        ${
          approved
            ? 'Your terminal is signed in now. You can close this page.'
            : 'Nobody was signed in. If you did not start this, tell your security team that somebody tried.'
        }
      </p>
    </section>`,
  };
}
