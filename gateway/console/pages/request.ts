import type { Request, RequestState } from '#src/approval/request.ts';
import type { Caller } from '../../api/authenticate.ts';
import type { Review } from '../../api/deps.ts';
import type { RulesState } from '../../reload.ts';
import { timeText } from '#src/policy/words.ts';
import { isTheirTurn, mayDecide, mayEndShape } from '../../api/rights.ts';
import { html, lookalikes, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import type { StepUpView } from '../step-up.ts';
import { rulesBanner } from './rules.ts';
import { roleAsked, roleForms, type RoleForms } from './role.ts';
import { talkPart, type TalkForms } from './talk.ts';
import { sameFor, shapeTold, told } from './told.ts';
import {
  approvers,
  duration,
  stateBadge,
  STATES,
  timeLeft,
  when,
  wholeDuration,
} from '../words.ts';

export type RequestView = {
  readonly request: Request;
  readonly caller: Caller;
  readonly formToken: string;
  /** What this approver may read of it; undefined for everybody else. */
  readonly review: Review | undefined;
  readonly stepUp: StepUpView;
  readonly rules?: RulesState | undefined;
  /** Where a role is asked for. */
  readonly role?: RoleForms | undefined;
  readonly talk: TalkForms;
  /** A refused decision: what was said, and the reason as it was typed. */
  readonly problem?: string;
  readonly typed?: string;
};

function statement({ request, review }: RequestView): Html {
  const whole = review?.kind === 'whole' && review.text !== request.card.masked;
  const text = review?.kind === 'whole' ? review.text : request.card.masked;
  const odd = lookalikes(text);
  return html`<section aria-labelledby="what">
    <h2 id="what">Statement</h2>
    <pre class="statement">${text}</pre>
    ${
      whole
        ? html`<p class="note">
            Shown whole, because you may see the values in it. That you looked is recorded.
          </p>`
        : undefined
    }
    ${
      odd.length > 0
        ? html`<p class="note warn">
            It holds characters outside ASCII, which may look like others: ${odd.join(', ')}
          </p>`
        : undefined
    }
    <h2>What it would do</h2>
    <ul class="words">
      ${request.card.words.map((words) => html`<li>${words}</li>`)}
    </ul>
    ${told(request)}
  </section>`;
}

const fact = (name: string, value: Html | string | undefined): Html =>
  value === undefined || value === ''
    ? html``
    : html`<dt>${name}</dt>
        <dd>${value}</dd>`;

function facts({ request }: RequestView): Html {
  const { card } = request;
  return html`<section aria-labelledby="facts">
    <h2 id="facts">Who, where and why</h2>
    <dl class="facts">
      ${fact('Person', html`${card.person.name} <span class="soft">${card.person.email}</span>`)}
      ${fact('Groups', card.person.groups.join(', '))} ${fact('Agent', card.agent)}
      ${fact('Target', html`${card.target} ${card.database === '' ? undefined : html`<span class="soft">database ${card.database}</span>`}`)}
      ${fact('Reason given', card.reason ?? 'none')}
      ${fact(card.message === '' && card.access ? 'Permitted by' : 'Held by', html`<code>${card.rules.join(', ')}</code>`)}
      ${fact('Because', card.message)} ${fact('From', `${card.client} ${card.application}`)}
      ${fact('Asked', when(request.createdAt))}
      ${fact(request.endedAt === undefined ? 'Ends' : request.state === 'granted' ? 'Granted' : 'Ended', when(request.endedAt ?? request.expiresAt))}
      ${card.digest === '' ? undefined : fact('Digest', html`<code>${card.digest}</code>`)}
      ${fact(
        'Records',
        html`<a href="/records/${request.record}"
            >${card.access ? 'what was asked' : 'the held statement'}</a
          >,
          <a href="/records?q=${encodeURIComponent(`request:${request.id}`)}">all of this request</a
          >${request.session === undefined ? undefined : html`, <a href="/sessions/${request.session}">its session</a>`}`,
      )}
    </dl>
  </section>`;
}

function decisions({ request }: RequestView): Html {
  if (request.decisions.length === 0) return html``;
  return html`<h3>Decisions</h3>
    <ul class="decisions">
      ${request.decisions.map(
        (each) =>
          html`<li>
            <strong>${each.decision === 'approve' ? 'Approved' : 'Denied'}</strong> by
            ${each.person} for
            ${each.group}${each.standsFor === undefined ? undefined : `, in the place of ${each.standsFor} who is away`},
            ${when(each.at)}, in
            ${each.via}${each.shape ? ', and the same again' : undefined}${each.durationMs === undefined ? undefined : `, for at most ${wholeDuration(each.durationMs)}`}
            ${each.reason === '' ? undefined : html`<q>${each.reason}</q>`}
          </li>`,
      )}
    </ul>`;
}

function escalations({ request: { escalated = [] } }: RequestView): Html | undefined {
  if (escalated.length === 0) return undefined;
  return html`<ul class="decisions">
    ${escalated.map(
      ({ of, group, afterMs, at }) =>
        html`<li>
          <strong>Escalated</strong> to ${group}, ${when(at)}: ${of} has not agreed in
          ${timeText(afterMs)}
        </li>`,
    )}
  </ul>`;
}

function outcome({ request }: RequestView): Html {
  const { outcome: result } = request;
  if (!result) return html``;
  const rows =
    result.rows === undefined ? '' : `, ${result.rows} ${result.rows === 1 ? 'row' : 'rows'}`;
  const took = result.durationMs === undefined ? '' : `, ${Math.round(result.durationMs)} ms`;
  const what = result.ok ? 'It ran' : `It failed with ${result.code ?? 'an error'}`;
  return html`<p><strong>${what}</strong>${rows}${took}.</p>`;
}

/** Why this approver cannot approve, although it waits for them. */
function obstacle({ request, review, stepUp }: RequestView): Html | string | undefined {
  if (stepUp.kind === 'impossible')
    return 'The rule asks for a fresh sign-in for this request, by an OpenID provider that knows you. You can deny it.';
  if (stepUp.kind === 'needed')
    return html`${stepUp.why ?? 'The rule asks for a fresh sign-in for this request.'}
      <a href="${stepUp.href}">Sign in again to approve</a>, or deny it as you are.`;
  if (!request.card.hidesWrite || review?.kind === 'whole') return undefined;
  return review?.kind === 'elsewhere'
    ? html`Part of what it writes is hidden, and the exact statement is at another gateway.
      ${review.at === undefined ? 'Open this request there' : html`<a href="${review.at}">Open this request there</a>`},
      or deny it.`
    : 'Part of what it writes is hidden from you, so you can only deny it. Somebody who may see the values can approve it.';
}

function form(view: RequestView): Html {
  const { request, formToken, problem } = view;
  const cannot = obstacle(view);
  const needed = request.requirement.reasonRequired;
  return html`<form method="post" action="/requests/${request.id}/decision">
    <input type="hidden" name="csrf" value="${formToken}" />
    <input type="hidden" name="version" value="${request.version}" />
    ${cannot === undefined ? undefined : html`<p class="note warn">${cannot}</p>`}
    <label for="reason">Reason</label>
    <textarea
      id="reason"
      name="reason"
      rows="3"
      maxlength="1000"
      aria-describedby="reason-help${problem === undefined ? '' : ' problem'}"
      ${problem === undefined ? undefined : html`autofocus`}
    >
${view.typed ?? ''}</textarea>
    <p id="reason-help" class="help">
      ${needed ? 'Needed to approve and to deny' : 'Needed to deny'}; it is recorded, and the
      requester reads it.
    </p>
    ${
      request.card.shape
        ? html`<p id="shape-help" class="help">
            “The same” lets ${request.card.person.name} run it again without asking,
            ${sameFor(request.card.shape)}. It counts from the first run, and can be revoked here.
          </p>`
        : undefined
    }
    ${
      request.card.access && cannot === undefined
        ? html`<label for="duration">For a shorter time</label>
            <input
              id="duration"
              name="duration"
              pattern="[0-9]+[mhd]"
              aria-describedby="duration-help"
            />
            <p id="duration-help" class="help">
              Empty: as long as they ask for. A number and m, h or d makes it shorter: 30m.
            </p>`
        : undefined
    }
    <div class="buttons">
      ${
        cannot === undefined
          ? html`<button class="primary" name="decision" value="approve">Approve</button>`
          : undefined
      }
      ${
        cannot === undefined && request.card.shape
          ? html`<button name="decision" value="approve-shape" aria-describedby="shape-help">
              Approve this and the same for ${wholeDuration(request.card.shape.ms)}
            </button>`
          : undefined
      }
      <button class="danger" name="decision" value="deny">Deny</button>
    </div>
  </form>`;
}

/** Revokes what may run again; for who may. */
function revoking({ request, caller, formToken }: RequestView): Html | undefined {
  if (!mayEndShape(caller.person, request) || !caller.scopes.includes('decide')) return undefined;
  return html`<form method="post" action="/requests/${request.id}/shape">
    <input type="hidden" name="csrf" value="${formToken}" />
    <div class="buttons"><button class="danger">Revoke: ask again next time</button></div>
  </form>`;
}

function waiting(view: RequestView): Html {
  const { request, caller } = view;
  if (request.state !== 'pending') return html``;
  if (request.card.person.email === caller.person.email)
    return html`<p class="note">
      ${view.role ? 'You asked for this.' : 'You asked for this, so somebody else decides. Ctrl-C withdraws it.'}
    </p>`;
  if (!mayDecide(caller.person, request)) return html``;
  const turn = isTheirTurn(caller.person, request)
    ? undefined
    : html`<p class="note">It is not your turn now, so you can only deny it.</p>`;
  return caller.scopes.includes('decide')
    ? html`${turn}${form(view)}`
    : html`<p class="note">
        You are signed in to read. To decide, sign in with a token that has the scope
        <code>decide</code>.
      </p>`;
}

const ROLE_SAYS: Partial<Readonly<Record<RequestState, string>>> = {
  pending: 'Nothing is given until it is decided.',
  granted: 'What became of the grant stands beside.',
  denied: 'Denied. Nothing was given.',
  expired: 'Nobody decided in time. Nothing was given.',
  withdrawn: 'Whoever asked took it back. Nothing was given.',
  refused: 'The rules changed, and do not let it be given any more.',
};

const OPEN: ReadonlySet<RequestState> = new Set(['pending', 'approved', 'running']);

function panel(view: RequestView): Html {
  const { request } = view;
  const state = STATES[request.state];
  const pending = request.state === 'pending';
  return html`<aside
    class="panel decide ${OPEN.has(request.state) ? 'open' : ''}"
    aria-labelledby="state"
    id="decide"
    data-live="${request.quietFrom ?? request.version} ${request.state}"
    data-says="This request is now: ${state.name}"
    tabindex="-1"
  >
    <h2 id="state">${stateBadge(request.state)} ${pending ? timeLeft(request) : undefined}</h2>
    <p>
      ${view.role ? ROLE_SAYS[request.state] : state.says}
      ${pending && request.requirement.groups.length > 0 ? `It needs ${approvers(request.requirement)}.` : undefined}
    </p>
    ${
      pending && request.card.transactionOpenMs !== undefined
        ? html`<p class="note warn">
            Its transaction had been open for ${duration(request.card.transactionOpenMs)} when it
            asked, and keeps its locks while it waits.
          </p>`
        : undefined
    }
    ${outcome(view)} ${decisions(view)} ${escalations(view)} ${shapeTold(request, revoking(view))}
    ${alert(view.problem)} ${waiting(view)} ${talkPart(request, view.talk, view.formToken)}
    ${view.role && roleForms(request, view.role, view.formToken)}
  </aside>`;
}

export function requestPage(view: RequestView): Page {
  const { card, state } = view.request;
  return {
    title: `${STATES[state].name}: ${card.person.name} on ${card.target}`,
    body: html`<p class="eyebrow">${card.person.name} asks, on ${card.target}</p>
      <h1 class="verb">${card.words[0] ?? 'runs a statement'}</h1>
      ${view.caller.scopes.includes('decide') && state === 'pending' ? rulesBanner(view.rules) : undefined}
      <div class="split">
        <div>${view.role ? roleAsked(view.request) : statement(view)}</div>
        ${panel(view)}
        <div>${facts(view)}</div>
      </div>`,
  };
}
