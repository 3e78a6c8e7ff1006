import { lengthOf } from '#src/approval/access.ts';
import type { Grant, Request } from '#src/approval/request.ts';
import { html, type Html } from '../html.ts';
import type { StepUpView } from '../step-up.ts';
import { badge, when, wholeDuration } from '../words.ts';

const STATES: Readonly<
  Record<Grant['state'], { readonly name: string; readonly tone: 'wait' | 'good' | 'still' }>
> = {
  waiting: { name: 'Waits for its first use', tone: 'wait' },
  scheduled: { name: 'Scheduled', tone: 'wait' },
  live: { name: 'Live', tone: 'good' },
  ended: { name: 'Ended', tone: 'still' },
};

export const grantBadge = ({ state }: Grant): Html => badge(STATES[state].name, STATES[state].tone);

/** When it begins, ends, or ended. */
export function grantTimes(grant: Grant): Html {
  const { state, startsAt, endsAt, endedAt, endedWhy, useBy, durationMs } = grant;
  if (state === 'ended')
    return html`ended
    ${when(endedAt ?? endsAt ?? useBy ?? grant.createdAt)}${endedWhy === undefined ? undefined : html`: ${endedWhy}`}`;
  if (startsAt === undefined)
    return html`begins with the first connection, until
    ${useBy === undefined ? 'then' : when(useBy)}; lasts ${wholeDuration(durationMs)} from then on`;
  return html`${state === 'live' ? 'since' : 'begins'} ${when(startsAt)}, ends
  ${endsAt === undefined ? 'later' : when(endsAt)}`;
}

/** What a request for a role asks for, in the place of a statement. */
export function roleAsked(request: Request): Html {
  const { card, kind, grant } = request;
  const { access } = card;
  if (!access) return html``;
  const starts =
    access.start === 'use'
      ? 'with its first use'
      : access.start === 'approval'
        ? kind === 'access'
          ? 'when it is approved'
          : 'at once'
        : when(access.start);
  return html`<section aria-labelledby="what">
    <h2 id="what">${kind === 'access' ? 'The role' : 'Break-glass'}</h2>
    <dl class="facts">
      <dt>Role</dt>
      <dd><strong>${access.role}</strong> on ${card.target}</dd>
      <dt>For</dt>
      <dd>${lengthOf(access.durationMs)}</dd>
      <dt>Begins</dt>
      <dd>${starts}</dd>
      <dt>At its end</dt>
      <dd>
        ${access.ends === 'finish' ? 'what runs may finish, then' : 'what runs is cancelled, and'}
        the sessions it was used in end
      </dd>
      ${
        grant &&
        html`<dt>Grant</dt>
          <dd>${grantBadge(grant)} ${grantTimes(grant)}</dd>`
      }
      ${
        grant?.review !== undefined && grant.reviewedAt !== undefined
          ? html`<dt>Review</dt>
              <dd>${grant.reviewedBy}, ${when(grant.reviewedAt)}: <q>${grant.review}</q></dd>`
          : undefined
      }
    </dl>
  </section>`;
}

export type RoleForms = {
  readonly mayEnd: boolean;
  readonly mayReview: boolean;
  /** They broke the glass themselves, and it still waits for their fresh sign-in. */
  readonly take: StepUpView | undefined;
  readonly mayWithdraw: boolean;
  readonly own: boolean;
};

const hidden = (formToken: string): Html =>
  html`<input type="hidden" name="csrf" value="${formToken}" />`;

/** What the caller can do with it beside deciding. */
export function roleForms(request: Request, forms: RoleForms, formToken: string): Html {
  const { id, grant } = request;
  return html`${taking(id, forms.take, formToken)}
  ${
    forms.mayWithdraw
      ? html`<form method="post" action="/requests/${id}/withdraw">
          ${hidden(formToken)}
          <div class="buttons"><button class="danger">Withdraw</button></div>
        </form>`
      : undefined
  }
  ${
    forms.mayEnd && grant
      ? html`<form method="post" action="/grants/${grant.id}/end">
          ${hidden(formToken)}
          ${
            forms.own
              ? undefined
              : html`<label for="end-reason">Why it ends</label>
                  <input id="end-reason" name="reason" required maxlength="1000" />`
          }
          <div class="buttons">
            <button class="danger">${forms.own ? 'Give it back' : 'End it now'}</button>
          </div>
        </form>`
      : undefined
  }
  ${
    forms.mayReview && grant
      ? html`<form method="post" action="/grants/${grant.id}/review">
          ${hidden(formToken)}
          <label for="review">What was done, and was it right?</label>
          <textarea
            id="review"
            name="review"
            rows="4"
            minlength="20"
            maxlength="1000"
            required
          ></textarea>
          <p class="help">
            Look at
            <a
              href="/records?q=${encodeURIComponent(`person:${grant.person} target:${grant.target}`)}"
              >its records</a
            >
            first. The review is recorded with your name.
          </p>
          <div class="buttons"><button class="primary">File the review</button></div>
        </form>`
      : undefined
  }`;
}

function taking(id: string, take: StepUpView | undefined, formToken: string): Html | undefined {
  if (take === undefined) return undefined;
  if (take.kind === 'impossible')
    return html`<p class="note warn">
      The rule asks for a fresh sign-in by an OpenID provider that knows you. Ask somebody of the
      approvers for the role instead.
    </p>`;
  if (take.kind === 'needed')
    return html`<p class="note warn">
      ${take.why ?? 'The rule asks you to sign in again for this.'}
      <a href="${take.href}">Sign in again to take the role</a>.
    </p>`;
  return html`<form method="post" action="/requests/${id}/take">
    ${hidden(formToken)}
    <div class="buttons"><button class="primary">Take the role now</button></div>
  </form>`;
}
