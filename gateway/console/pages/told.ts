import type { Ran, Request, Rows } from '#src/approval/request.ts';
import { html, type Html } from '../html.ts';
import { duration, when, wholeDuration } from '../words.ts';

/** What approvers are told beyond the effect: rows, what was asked before, what ran before. */
export function told({ card, rows }: Request): Html {
  const { before = [], same } = card;
  return html`${
    rows === undefined
      ? undefined
      : html`<h2>Rows</h2>
          ${rowsTold(rows)}`
  }
  ${
    same === undefined
      ? undefined
      : html`<h2>The same before</h2>
          <p class="note">Constants aside, on this database. It says nothing about this one.</p>
          <ul class="words">
            ${
              same.lastApproved &&
              html`<li>
                Approved ${times(same.approved)}, last by ${same.lastApproved.by.join(', ')},
                ${when(same.lastApproved.at)}
              </li>`
            }
            ${
              same.lastDenied &&
              html`<li>
                Denied ${times(same.denied)}, last by ${same.lastDenied.by.join(', ')},
                ${when(same.lastDenied.at)}
              </li>`
            }
          </ul>`
  }
  ${
    before.length === 0
      ? undefined
      : html`<h2>Before it, in this session</h2>
          <ol class="words">
            ${before.map((one) => html`<li><code>${one.text}</code> <span class="soft">${became(one)}</span></li>`)}
          </ol>`
  }`;
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

function rowsTold(rows: Rows): Html {
  const { state, estimated, counted, sample, why } = rows;
  return html`<ul class="words">
    ${estimated === undefined ? undefined : html`<li>About ${amount(estimated)}, the planner estimates</li>`}
    ${
      counted === undefined
        ? undefined
        : html`<li>
            <strong>Exactly ${amount(counted)}</strong> when it was counted; a run that changes more
            is rolled back
          </li>`
    }
    ${
      sample &&
      html`<li>
        Among them, by ${sample.columns.join(', ')}:
        ${sample.keys.map((key) => html`<code>${key.join(', ')}</code> `)}
      </li>`
    }
    ${state === 'estimating' ? html`<li>Estimating…</li>` : undefined}
    ${state === 'unknown' ? html`<li>Not estimated: ${why ?? 'the target did not say'}</li>` : undefined}
    ${state === 'known' && why !== undefined ? html`<li>${why}</li>` : undefined}
  </ul>`;
}

const amount = (rows: number): string => `${rows} ${rows === 1 ? 'row' : 'rows'}`;

function became({ verdict, ok, rows, code }: Ran): string {
  if (verdict === 'deny') return 'refused';
  if (verdict === 'hold') return 'was held, and did not run';
  const by = verdict === 'approved' ? 'approved, ' : '';
  if (ok === undefined) return `${by}outcome not known yet`;
  return ok
    ? `${by}ran${rows === undefined ? '' : `, ${amount(rows)}`}`
    : `${by}failed with ${code ?? 'an error'}`;
}

/** `30 min`, and what may run again meanwhile. */
export const sameFor = ({ words, ms }: { readonly words: string; readonly ms: number }): Html =>
  html`for ${wholeDuration(ms)}: ${words}`;

/** A shape that was approved, and how it stands. */
export function shapeTold({ card, shape }: Request, form: Html | undefined): Html {
  if (!shape || !card.shape) return html``;
  const left = Date.parse(shape.until) - Date.now();
  const { revokedAt } = shape;
  const live = revokedAt === undefined && left > 0;
  return html`<h3>The same again</h3>
    <p>
      ${card.person.name} may run it again: ${card.shape.words}.
      ${
        revokedAt === undefined
          ? html`${left > 0 ? 'Until' : 'It ended'}
            ${when(shape.until)}${live ? `, ${duration(left)} left` : undefined}.`
          : html`Revoked
            ${when(revokedAt)}${shape.revokedBy === undefined ? undefined : ` by ${shape.revokedBy}`}.`
      }
    </p>
    ${live ? form : undefined}`;
}
