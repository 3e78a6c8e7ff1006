import type { RecordingInfo } from '#src/recording/port.ts';
import { gapText } from '#src/recording/transcript.ts';
import type { SessionFacts, SessionPart } from '../../api/session-view.ts';
import { href } from '../filters.ts';
import { html, type Html } from '../html.ts';
import { alert, type Page } from '../layout.ts';
import type { SessionQuery } from '../session-query.ts';
import { badge, count, duration, size, when } from '../words.ts';
import { views } from './lists.ts';
import { isOwn, ownQuestions, stepItem, type StepsContext } from './session-steps.ts';

const STATES: Readonly<Record<SessionFacts['state'], Parameters<typeof badge>>> = {
  running: ['Running', 'good'],
  ended: ['Ended', 'still'],
  abandoned: ['Abandoned', 'bad'],
  refused: ['Refused', 'bad'],
};
export const sessionState = (state: SessionFacts['state']): Html => badge(...STATES[state]);

const fact = (name: string, value: Html | string | undefined): Html | undefined =>
  value === undefined || value === ''
    ? undefined
    : html`<dt>${name}</dt>
        <dd>${value}</dd>`;

const RECORDING = {
  open: 'goes on',
  closed: 'complete',
  lost: 'its gateway went away, and the last part is lost',
  erased: 'erased',
} as const;

function recordingFact(id: string, recording: RecordingInfo | undefined): Html {
  if (!recording) return html`none`;
  const { events, bytes, chunks, state } = recording;
  const file = recording.protocol === 'postgres' ? 'ndjson' : 'cast';
  return html`${RECORDING[state]}, ${count(events)} events in ${count(chunks)}
  ${chunks === 1 ? 'part' : 'parts'}, ${size(bytes)}
  ${
    state === 'erased'
      ? undefined
      : html`<a href="/api/v1/sessions/${id}/recording" download="${id}.${file}">Download</a>`
  }`;
}

function howItEnded({ state, startedAt, endedAt, endedBy, endedWhy }: SessionFacts): Html {
  if (state === 'refused') return html`it never began`;
  if (endedAt === undefined)
    return state === 'abandoned'
      ? html`its gateway went away`
      : html`not
        yet${startedAt && `; it has run for ${duration(Date.now() - Date.parse(startedAt))}`}`;
  const lasted =
    startedAt && html`, after ${duration(Date.parse(endedAt) - Date.parse(startedAt))}`;
  return html`${when(endedAt)}${lasted}${
    endedBy === undefined
      ? undefined
      : html`, by ${endedBy}${endedWhy === undefined ? undefined : html`: <q>${endedWhy}</q>`}`
  }${state === 'abandoned' ? ', when its gateway went away' : undefined}`;
}

function facts({ session, recording }: SessionPart): Html {
  const { id, person, agent, target, database, client, application, gateway } = session;
  return html`<dl class="facts">
    ${fact('State', sessionState(session.state))} ${fact('Person', person)} ${fact('Agent', agent)}
    ${fact('Target', database && database !== target ? `${target}, database ${database}` : target)}
    ${fact('From', [client, application].filter((each) => each).join(', with '))}
    ${fact('Gateway', gateway)} ${fact('Began', session.startedAt && when(session.startedAt))}
    ${fact('Ended', howItEnded(session))} ${fact('Recording', recordingFact(id, recording))}
    ${fact(
      'Id',
      html`<code>${id}</code>
        <a href="/records?q=${encodeURIComponent(`session:${id}`)}">its records</a>`,
    )}
  </dl>`;
}

export type EndForm = { readonly formToken: string; readonly typed?: string };

/** Closed until somebody wants it; the reason is read by the one in the session. */
export const endForm = (id: string, { formToken, typed = '' }: EndForm, name: string): Html =>
  html`<details class="end" ${typed === '' ? undefined : html`open`}>
    <summary>End ${name}</summary>
    <form method="post" action="/sessions/${id}/end">
      <input type="hidden" name="csrf" value="${formToken}" />
      <label for="why-${id}">Reason</label>
      <input
        id="why-${id}"
        name="reason"
        value="${typed}"
        required
        maxlength="200"
        autocomplete="off"
        aria-describedby="why-${id}-help"
      />
      <p class="help" id="why-${id}-help">
        What runs is cancelled, what waits is withdrawn; the person in it reads who ended it and
        why.
      </p>
      <button class="danger">End ${name}</button>
    </form>
  </details>`;

function pager(
  path: string,
  query: SessionQuery,
  { steps, earlier, later }: SessionPart,
  label: string,
): Html {
  const { verdict, statement } = query;
  if (statement !== undefined)
    return html`<nav class="pager" aria-label="${label}">
      <a href="${href(path, { at: statement })}#s-${statement}">What came after it</a>
      <a href="${path}">The whole session</a>
    </nav>`;
  if (!earlier && !later) return html``;
  const [first, last] = [steps[0]?.first.id, steps.at(-1)?.first.id];
  return html`<nav class="pager" aria-label="${label}">
    ${earlier ? html`<a href="${href(path, { verdict, part: 'first' })}">First</a>` : undefined}
    ${earlier && first ? html`<a href="${href(path, { verdict, before: first })}" rel="prev">Earlier</a>` : undefined}
    ${later && last ? html`<a href="${href(path, { verdict, after: last })}" rel="next">Later</a>` : undefined}
    ${later ? html`<a href="${href(path, { verdict, part: 'last' })}">Last</a>` : undefined}
  </nav>`;
}

const verdicts = (path: string, { verdict }: SessionQuery): Html =>
  views('Verdicts', [
    ['All', path, verdict === undefined],
    ...(
      [
        ['Allowed', 'allow'],
        ['Held', 'hold'],
        ['Denied', 'deny'],
      ] as const
    ).map(([name, value]) => [name, href(path, { verdict: value }), verdict === value] as const),
  ]);

export type SessionPageParts = {
  readonly part: SessionPart;
  readonly query: SessionQuery;
  /** Given to whoever may end it. */
  readonly end?: EndForm | undefined;
  readonly problem?: string | undefined;
  /** The newest part of a session that goes on, so that what comes is added to it. */
  readonly live: boolean;
};

const list = ({ part, live }: SessionPageParts, context: StepsContext): Html => {
  const theirs = part.steps.filter((step) => !isOwn(step));
  if (theirs.length === 0 && !live)
    return html`<p class="empty">No statement that you may see.</p>`;
  return html`<ol
      class="cards"
      id="transcript"
      ${live ? html`data-follow="${context.path}/live?skip=${part.read}"` : undefined}
    >
      ${theirs.map((step) => stepItem(step, context))}
    </ol>
    ${
      live
        ? html`<p id="following" class="help" role="status">Reload to see what comes.</p>`
        : undefined
    }`;
};

function statements(parts: SessionPageParts, path: string): Html {
  const { part, query } = parts;
  const { steps, gaps, answers, later } = part;
  const whole = query.statement !== undefined;
  const shown = steps.filter((step) => !isOwn(step)).length;
  return html`<section aria-labelledby="steps">
    <h2 id="steps">
      ${whole ? 'One statement' : 'Statements, oldest first'}
      <span class="count">${shown}${later ? '+' : ''}</span>
    </h2>
    ${whole ? undefined : verdicts(path, query)} ${pager(path, query, part, 'Pages')}
    ${gaps.map((gap) => html`<p class="note warn">${duration(gap.t)} into it: ${gapText(gap)}.</p>`)}
    ${list(parts, { path, answers, whole })} ${pager(path, query, part, 'Pages, below')}
    ${ownQuestions(steps.filter(isOwn))}
  </section>`;
}

export function sessionPage(parts: SessionPageParts): Page {
  const { part, end, problem, live } = parts;
  const { session, recording } = part;
  const path = `/sessions/${session.id}`;
  const title = `${session.person ?? 'Somebody'} on ${session.target ?? 'a target'}`;
  return {
    title: `Session: ${title}`,
    at: 'sessions',
    styles: ['session.css'],
    ...(live && { scripts: ['session.js'] }),
    body: html`<p class="eyebrow">Session</p>
      <h1>${title}</h1>
      ${alert(problem)} ${facts(part)} ${end && endForm(session.id, end, 'this session')}
      ${
        recording && recording.protocol !== 'postgres'
          ? html`<p><a href="${path}/terminal">Watch the terminal</a></p>`
          : undefined
      }
      ${statements(parts, path)}`,
  };
}
