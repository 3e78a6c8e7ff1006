import type { JsonObject } from '#src/audit/log.ts';
import type { Step, TimelineRecord } from '#src/audit/timeline.ts';
import type { Answer } from '#src/recording/transcript.ts';
import { html, type Html } from '../html.ts';
import { count, duration, kindName, shortened, verdictBadge, when } from '../words.ts';
import { textOf } from './records.ts';
import { answerOf, type Masked } from './session-result.ts';

export type StepsContext = {
  readonly path: string;
  readonly answers: ReadonlyMap<string, Answer>;
  /** Only this one is shown, so all of it is. */
  readonly whole: boolean;
};

const LONGEST_TEXT = 2_000;

/** Questions of the gateway itself, which are no statement of the person. */
export const isOwn = ({ first }: Step): boolean =>
  textOf(first.body?.['class']).startsWith('countersign');

/** `3.5 ms`, `240 ms`, `1.2 s` */
export function took(ms: number): string {
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
  const many = typeof rows === 'number' ? `${count(rows)} ${rows === 1 ? 'row' : 'rows'}` : '';
  const time = typeof durationMs === 'number' ? took(durationMs) : '';
  return [what, many, time, textOf(why)].filter((part) => part !== '').join(', ');
}

const since = (record: TimelineRecord, first: TimelineRecord): Html | undefined => {
  const ms = Date.parse(record.at) - Date.parse(first.at);
  return ms >= 1_000 ? html`<span class="soft">after ${duration(ms)}</span>` : undefined;
};

/** One line for what happened to a statement after its verdict. */
function event(record: TimelineRecord, first: TimelineRecord): Html | undefined {
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

/** By the name that a result has for the column; the record knows it by target, schema and table. */
function maskedOf({ masked }: JsonObject): Masked {
  const columns = typeof masked === 'object' && masked !== null ? Object.entries(masked) : [];
  return new Map(columns.map(([id, kind]) => [id.slice(id.lastIndexOf('/') + 1), textOf(kind)]));
}

function maskedNote(masks: Masked): Html | undefined {
  if (masks.size === 0) return undefined;
  const list = [...masks].map(([name, kind]) => `${name} (${kind})`).join(', ');
  return html`<span>masked: ${list}</span>`;
}

/** Opens the page at the statement, and marks it. */
export const anchor = (statement: string): string => `s-${statement}`;

function metaOf({ first, all }: Step, masked: Masked, path: string): Html {
  const { body = {}, statement } = first;
  const request = all.find((record) => record.request !== undefined)?.request;
  const message = textOf(body['message']);
  return html`<p class="meta">
    ${verdictBadge(first.verdict)} ${when(first.at)}
    <code>${textOf(body['rules'])}</code>
    ${message === '' ? undefined : html`<span>${message}</span>`} ${maskedNote(masked)}
    ${request && html`<a href="/requests/${request}">its request</a>`}
    ${statement && html`<a href="${path}?at=${statement}#${anchor(statement)}">link to this</a>`}
  </p>`;
}

function textOfStep({ first: { body } }: Step, whole: boolean): Html | undefined {
  if (body === undefined) return html`<p class="help">What it said has been erased.</p>`;
  const { text } = body;
  if (typeof text !== 'string') return undefined;
  return html`<pre class="statement small">${whole ? text : shortened(text, LONGEST_TEXT)}</pre>`;
}

export function stepItem(step: Step, { path, answers, whole }: StepsContext): Html {
  const { first, all } = step;
  const { body = {}, statement: here = first.id } = first;
  const words = textOf(body['words']);
  const title = words === '' ? kindName(first.kind) : words;
  const rest = all.filter((record) => record !== first);
  const masked = maskedOf(body);
  const answer = answers.get(here);
  return html`<li class="card step" id="${anchor(here)}">
    <h3 class="verb"><a href="/records/${first.id}">${shortened(title, 200)}</a></h3>
    ${metaOf(step, masked, path)} ${textOfStep(step, whole)}
    ${
      answer &&
      answerOf(answer, {
        masked,
        whole,
        all: `${path}?statement=${here}#${anchor(here)}`,
        name: `Result of: ${shortened(title, 60)}`,
      })
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

export function ownQuestions(steps: readonly Step[]): Html | undefined {
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
