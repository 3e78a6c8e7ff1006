import type { JsonObject } from '#src/audit/log.ts';
import type { RecordView } from '#src/audit/reader.ts';
import type { SessionView } from '../../api/reading.ts';
import { html, type Html } from '../html.ts';
import type { Page } from '../layout.ts';
import { duration, kindName, shortened, verdictBadge, when } from '../words.ts';
import { textOf } from './records.ts';

/** A statement and everything that the log says of it, in the order of the log. */
type Step = { readonly first: RecordView; readonly all: readonly RecordView[] };

/** Where it begins and ends is said above, and who looked at it is not of the session. */
const NO_STEP: ReadonlySet<string> = new Set(['session-start', 'session-end', 'look']);

function stepsOf(records: readonly RecordView[]): readonly Step[] {
  const steps = new Map<string, RecordView[]>();
  for (const record of records) {
    if (NO_STEP.has(record.kind)) continue;
    const key = record.statement ?? record.id;
    const step = steps.get(key);
    if (step) step.push(record);
    else steps.set(key, [record]);
  }
  return [...steps.values()].flatMap((all) => {
    const first = all.find(({ kind }) => kind === 'statement') ?? all[0];
    return first ? [{ first, all }] : [];
  });
}

const isOwn = ({ first }: Step): boolean => textOf(first.body?.['class']).startsWith('countersign');

/** `3.5 ms`, `240 ms`, `1.2 s` */
function took(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function howItEnded(body: JsonObject): string {
  const { unknown, ok, code, tags, rows, durationMs, why } = body;
  const what =
    unknown === true
      ? 'nobody knows whether it took effect'
      : ok === true
        ? textOf(tags) || 'it ran'
        : `failed${textOf(code) === '' ? '' : ` with ${textOf(code)}`}`;
  const count = typeof rows === 'number' ? `${rows} ${rows === 1 ? 'row' : 'rows'}` : '';
  const time = typeof durationMs === 'number' ? took(durationMs) : '';
  return [what, count, time, textOf(why)].filter((part) => part !== '').join(', ');
}

const since = (record: RecordView, first: RecordView): Html | undefined => {
  const ms = Date.parse(record.at) - Date.parse(first.at);
  return ms >= 1_000 ? html`<span class="soft">after ${duration(ms)}</span>` : undefined;
};

/** One line for what happened to a statement after its verdict. */
function event(record: RecordView, first: RecordView): Html | undefined {
  const { body = {}, kind } = record;
  const link = (text: string): Html => html`<a href="/records/${record.id}">${text}</a>`;
  const reason = textOf(body['reason']);
  const later = since(record, first);
  if (kind === 'decision')
    return html`<li>
      ${link(body['decision'] === 'approve' ? 'Approved' : 'Denied')} by ${record.person} for
      ${textOf(body['group'])}, in ${textOf(body['via'])} ${later}
      ${reason === '' ? undefined : html`<q>${reason}</q>`}
    </li>`;
  if (kind === 'outcome') return html`<li>${link('Outcome')}: ${howItEnded(body)}</li>`;
  if (kind === 'claim') return html`<li>${link('Released')} to run ${later}</li>`;
  if (kind === 'request') {
    const why = [textOf(body['event']), textOf(body['code']), textOf(body['why'])];
    return html`<li>
      ${link('Request')}: ${why.filter((part) => part !== '').join(', ')} ${later}
    </li>`;
  }
  return html`<li>${link(kindName(kind))} by ${record.person} ${later}</li>`;
}

function stepItem({ first, all }: Step): Html {
  const { body = {} } = first;
  const request = all.find((record) => record.request !== undefined)?.request;
  const words = textOf(body['words']);
  const title = words === '' ? kindName(first.kind) : words;
  const message = textOf(body['message']);
  const rest = all.filter((record) => record !== first);
  return html`<li class="card step">
    <h3 class="verb"><a href="/records/${first.id}">${shortened(title, 200)}</a></h3>
    <p class="meta">
      ${verdictBadge(first.verdict)} ${when(first.at)}
      <code>${textOf(body['rules'])}</code>
      ${message === '' ? undefined : html`<span>${message}</span>`}
      ${request && html`<a href="/requests/${request}">its request</a>`}
    </p>
    ${
      typeof body['text'] === 'string'
        ? html`<pre class="statement small">${shortened(body['text'], 2_000)}</pre>`
        : undefined
    }
    ${
      rest.length === 0
        ? undefined
        : html`<ul class="decisions">
            ${rest.map((record) => event(record, first))}
          </ul>`
    }
  </li>`;
}

function ownQuestions(steps: readonly Step[]): Html | undefined {
  if (steps.length === 0) return undefined;
  return html`<details>
    <summary>
      ${steps.length} of the gateway’s own, which read the session’s settings or estimate rows
    </summary>
    <ol class="plain">
      ${steps.map(
        ({ first, all }) =>
          html`<li>
            <a href="/records/${first.id}">${when(first.at)}</a>
            ${all.filter(({ kind }) => kind === 'outcome').map(({ body }) => html`${howItEnded(body ?? {})}`)}
          </li>`,
      )}
    </ol>
  </details>`;
}

function facts(session: SessionView): Html {
  const { startedAt, endedAt } = session;
  const lasted =
    startedAt && endedAt && html`, after ${duration(Date.parse(endedAt) - Date.parse(startedAt))}`;
  return html`<dl class="facts">
    <dt>Id</dt>
    <dd>
      <code>${session.id}</code>
      <a href="/records?q=${encodeURIComponent(`session:${session.id}`)}">its records</a>
    </dd>
    ${
      startedAt &&
      html`<dt>Began</dt>
        <dd>${when(startedAt)}</dd>`
    }
    <dt>Ended</dt>
    <dd>${endedAt ? html`${when(endedAt)}${lasted}` : 'not yet'}</dd>
  </dl>`;
}

export function sessionPage(session: SessionView, before: string | undefined): Page {
  const steps = stepsOf(session.records);
  const own = steps.filter(isOwn);
  const theirs = steps.filter((step) => !isOwn(step));
  const path = `/sessions/${session.id}`;
  return {
    title: `Session: ${session.person ?? 'somebody'} on ${session.target ?? 'a target'}`,
    at: 'records',
    body: html`<p class="eyebrow">Session</p>
      <h1>${session.person ?? 'Somebody'} on ${session.target ?? 'a target'}</h1>
      ${facts(session)}
      <section aria-labelledby="steps">
        <h2 id="steps">Statements, oldest first <span class="count">${theirs.length}</span></h2>
        ${
          session.earlier === undefined && before === undefined
            ? undefined
            : html`<nav class="pager" aria-label="Pages">
                ${before && html`<a href="${path}">Latest</a>`}
                ${session.earlier && html`<a href="${path}?before=${session.earlier}">Earlier</a>`}
              </nav>`
        }
        ${
          theirs.length === 0
            ? html`<p class="empty">No statement that you may see.</p>`
            : html`<ol class="cards">
                ${theirs.map(stepItem)}
              </ol>`
        }
        ${ownQuestions(own)}
      </section>`,
  };
}
