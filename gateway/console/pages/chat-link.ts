import type { ChatLink } from '#src/identity/chat-links.ts';
import { html, lookalikes, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { when } from '../words.ts';

/** What comes next: the sign-in (with `href`, where a provider is not asked for a fresh one), or the person's word. */
export type ChatLinkStep =
  | { readonly kind: 'sign-in'; readonly href?: string }
  | { readonly kind: 'confirm' }
  | { readonly kind: 'impossible' };

type View = {
  readonly formToken: string;
  readonly code: string;
  readonly email: string;
  readonly step: ChatLinkStep;
};

export const PLATFORMS = { slack: 'Slack', teams: 'Microsoft Teams' } as const;

const fact = (name: string, value: Html | string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

/** Which account will become which person; said so that whoever was sent here by somebody else stops. */
export function chatLinkPage(link: ChatLink, view: View): Page {
  const { platform, name, workspaceName, workspace, user, createdAt } = link;
  const odd = lookalikes(name);
  return {
    title: 'Link an account in chat',
    body: html`<section class="narrow panel">
      <h1>Is this your account in ${PLATFORMS[platform]}?</h1>
      <dl class="facts">
        ${fact('Account', html`<strong>${name}</strong> <span class="soft">as it calls itself</span>`)}
        ${fact('Workspace', workspaceName)} ${fact('Id', html`<code>${workspace}/${user}</code>`)}
        ${fact('Becomes', html`<strong>${view.email}</strong>, that is you`)}
        ${fact('Asked', when(createdAt))}
      </dl>
      ${
        odd.length === 0
          ? undefined
          : html`<p class="note warn">
              The name has letters that may look like others: ${odd.join(', ')}.
            </p>`
      }
      <p class="note warn">
        Go on only if you yourself have just used Countersign in ${PLATFORMS[platform]} with this
        account, and it gave you this link there. If anybody sent it to you, by whatever way, close
        this page: <strong>the account above would ask, approve and read in your name.</strong>
      </p>
      ${next(view)}
    </section>`,
  };
}

function next({ formToken, code, step }: View): Html {
  if (step.kind === 'impossible')
    return html`<p class="note">
      Accounts in chat are linked by a fresh sign-in at a provider, and none knows you. Sign in by
      your provider first, or ask the operator.
    </p>`;
  if (step.kind === 'sign-in' && step.href !== undefined)
    return html`<p><a href="${step.href}">Sign in anew for this</a></p>`;
  return html`<form method="post" action="/chat/link/${code}">
    <input type="hidden" name="csrf" value="${formToken}" />
    <button class="primary" name="act" value="${step.kind === 'confirm' ? 'link' : 'sign-in'}">
      ${step.kind === 'confirm' ? 'Yes, this account is mine' : 'Sign in anew for this'}
    </button>
  </form>`;
}

/** The last step is the account's own: whoever has only sent the link on never sees this word. */
export function chatWordPage(link: ChatLink, word: string, email: string): Page {
  const { platform, name } = link;
  const line = platform === 'slack' ? `/access link ${word}` : `link ${word}`;
  return {
    title: 'Say the word in chat',
    body: html`<section class="narrow panel">
      <h1>One more step, in ${PLATFORMS[platform]}</h1>
      <p>
        ${
          platform === 'slack'
            ? 'Send this command in any channel; nobody else sees it. It must come from the account'
            : 'Write this to Countersign, in your chat with it. It must come from the account'
        }
        <strong>${name}</strong>:
      </p>
      <pre class="statement" tabindex="0" aria-label="What to send">${line}</pre>
      <p>
        Then that account is ${email} in chat. The word is good for five tries, until
        ${when(link.expiresAt)}.
      </p>
      <p class="note warn">
        Tell this word to nobody, and send it nowhere else. Whoever asks you for it wants to act in
        your name.
      </p>
      <p>What is linked stands on <a href="/account">your account’s page</a>.</p>
    </section>`,
  };
}
