import { accountId, type LinkedAccount } from '#src/identity/chat-accounts.ts';
import type { SignIn } from '#src/identity/sign-ins.ts';
import type { TokenInfo } from '#src/identity/token.ts';
import type { Access } from '../../api/access.ts';
import { html, type Html } from '../html.ts';
import { badge, when } from '../words.ts';
import { PLATFORMS } from './chat-link.ts';

/** Where the forms of this page go, and what every one of them must hold. */
export type Forms = { readonly action: string; readonly formToken: string };

/** One button that does one thing to one row; `name` says to which, for those who do not see the row. */
export function button(
  { action, formToken }: Forms,
  act: string,
  {
    id,
    account,
    label,
    name,
  }: {
    readonly id?: string;
    readonly account?: string;
    readonly label: string;
    readonly name?: string;
  },
): Html {
  return html`<form method="post" action="${action}">
    <input type="hidden" name="csrf" value="${formToken}" />
    ${id === undefined ? undefined : html`<input type="hidden" name="id" value="${id}" />`}
    ${account === undefined ? undefined : html`<input type="hidden" name="account" value="${account}" />`}
    <button class="danger" name="act" value="${act}">
      ${label}${name === undefined ? undefined : html`<span class="unseen"> ${name}</span>`}
    </button>
  </form>`;
}

function signInRow(signIn: SignIn, forms: Forms, here: string | undefined): Html {
  const { id, provider, client, startedAt, lastUsedAt, endsAt } = signIn;
  const by = provider === undefined ? 'with a token' : `with ${provider}`;
  return html`<li class="card held">
    <div class="what">
      <h3>
        Signed in ${by} from <code>${client}</code>
        ${id === here ? badge('This browser', 'good') : undefined}
      </h3>
      <p class="meta">
        <span>Since ${when(startedAt)}</span><span>Last used ${when(lastUsedAt)}</span
        ><span>Ends ${when(endsAt)} at the latest</span>
      </p>
    </div>
    ${button(forms, 'end-sign-in', { id, label: 'Sign out', name: `${by} from ${client}, since ${startedAt}` })}
  </li>`;
}

function tokenRow(token: TokenInfo, forms: Forms): Html {
  const { id, label, agent, scopes, createdAt, lastUsedAt, expiresAt } = token;
  const name = label === '' ? 'Token without a name' : label;
  return html`<li class="card held">
    <div class="what">
      <h3>${name} ${scopes.map((scope) => html`${badge(scope, 'still')} `)}</h3>
      <p class="meta">
        ${agent === undefined ? undefined : html`<span>Used by the agent ${agent}</span>`}
        <span>Made ${when(createdAt)}</span
        ><span
          >${lastUsedAt === undefined ? 'Never used' : html`Last used ${when(lastUsedAt)}`}</span
        ><span>Expires ${when(expiresAt)}</span>
      </p>
    </div>
    ${button(forms, 'revoke-token', { id, label: 'Revoke', name: `${name}, made ${createdAt}` })}
  </li>`;
}

function chatRow(account: LinkedAccount, forms: Forms): Html {
  const { platform, name, workspaceName, how, linkedAt } = account;
  return html`<li class="card held">
    <div class="what">
      <h3>${PLATFORMS[platform]}: ${name}</h3>
      <p class="meta">
        <span>${workspaceName}</span><span>${accountId(account)}</span
        ><span>${how === 'email' ? 'Has this address since' : 'Linked'} ${when(linkedAt)}</span>
      </p>
    </div>
    ${button(forms, 'unlink-chat', { account: accountId(account), label: 'Unlink', name: `${name} of ${workspaceName}` })}
  </li>`;
}

/** Absent where there is none: chat says by itself how one is linked. */
const chatAccounts = (accounts: readonly LinkedAccount[], forms: Forms): Html | undefined =>
  accounts.length === 0
    ? undefined
    : html`<section aria-labelledby="chat">
        <h2 id="chat">Accounts in chat <span class="count">${accounts.length}</span></h2>
        <ul class="cards">
          ${accounts.map((each) => chatRow(each, forms))}
        </ul>
      </section>`;

/** What a person holds, each with the button that ends it. `here` is the sign-in of this very page. */
export function accessLists(
  { signIns, tokens, chatAccounts: accounts }: Access,
  forms: Forms,
  here: string | undefined,
): Html {
  const everywhere =
    signIns.length === 0
      ? undefined
      : button(forms, 'sign-out-everywhere', { label: 'Sign out everywhere' });
  return html`<section aria-labelledby="sign-ins">
      <div class="head">
        <h2 id="sign-ins">Sign-ins <span class="count">${signIns.length}</span></h2>
        ${everywhere}
      </div>
      ${
        signIns.length === 0
          ? html`<p class="empty">Not signed in to the console anywhere.</p>`
          : html`<ul class="cards">
              ${signIns.map((each) => signInRow(each, forms, here))}
            </ul>`
      }
    </section>
    <section aria-labelledby="tokens">
      <h2 id="tokens">Tokens <span class="count">${tokens.length}</span></h2>
      ${
        tokens.length === 0
          ? html`<p class="empty">No token is live.</p>`
          : html`<ul class="cards">
              ${tokens.map((each) => tokenRow(each, forms))}
            </ul>`
      }
    </section>
    ${chatAccounts(accounts, forms)}`;
}
