import type { Confirmation } from '#src/identity/confirmations.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { when } from '../words.ts';

const fact = (name: string, value: Html | string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

/** Who connects, from where and to what; the person compares and decides. `here` is the address of their browser. */
export function connectPage(
  { formToken, code }: { readonly formToken: string; readonly code: string },
  asked: Confirmation,
  { here, obstacle }: { readonly here: string; readonly obstacle: string | undefined },
): Page {
  const { target, database } = asked;
  return {
    title: 'Is this your connection?',
    body: html`<section class="narrow panel">
      <h1>Is this your connection?</h1>
      <dl class="facts">
        ${fact('Match code', html`<strong><code>${asked.match}</code></strong>`)}
        ${fact('Target', html`${target}${database === '' ? undefined : html` <span class="soft">database ${database}</span>`}`)}
        ${fact('Program', html`<code>${asked.application || 'does not say'}</code> <span class="soft">as it calls itself</span>`)}
        ${asked.agent === undefined ? undefined : fact('Agent', asked.agent)}
        ${fact('From', html`<code>${asked.address}</code>`)} ${fact('Asked', when(asked.createdAt))}
        ${fact('Works as', asked.person)}
      </dl>
      ${
        asked.address === here
          ? undefined
          : html`<p class="note warn">
              It comes from another address than this browser (<code>${here}</code>). That is so for
              a server that you are logged in to; for your own computer it is not.
            </p>`
      }
      ${
        asked.proven
          ? undefined
          : html`<p class="note warn">It has shown no token: only your word lets it in.</p>`
      }
      <p class="note">
        Confirm only if you have just connected yourself, and your client shows the same match code.
        If somebody sent you this link, deny: they would run statements in your name.
      </p>
      ${obstacle === undefined ? undefined : html`<p class="note warn">${obstacle}</p>`}
      <form method="post" action="/connect/${code}">
        <input type="hidden" name="csrf" value="${formToken}" />
        <div class="buttons">
          ${obstacle === undefined ? html`<button class="primary" name="decision" value="confirm">Confirm</button>` : undefined}
          <button class="danger" name="decision" value="deny">Deny</button>
        </div>
      </form>
    </section>`,
  };
}

export function connectedPage(confirmed: boolean): Page {
  return {
    title: confirmed ? 'Confirmed' : 'Denied',
    body: html`<section class="narrow panel">
      <h1>${confirmed ? 'Confirmed' : 'Denied'}</h1>
      <p>
        ${
          confirmed
            ? 'Your connection goes on, and so does what it has sent already. You can close this page.'
            : 'The connection was ended, and nothing of it ran. If it was not yours, tell your security team that somebody tried.'
        }
      </p>
    </section>`,
  };
}
