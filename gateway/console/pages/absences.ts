import type { Absence } from '#src/approval/away.ts';
import { html, type Html } from '../html.ts';
import { when } from '../words.ts';

export type AbsencesView = {
  readonly email: string;
  readonly formToken: string;
  readonly absences: readonly Absence[];
  /** This sign-in may decide, and so hand that on. */
  readonly canDecide: boolean;
};

/** When somebody is away, and who decides in their place. */
export function absencesPart(view: AbsencesView): Html {
  const { absences } = view;
  return html`<section aria-labelledby="away">
    <h2 id="away">Away</h2>
    <p>
      While you are away, a colleague who is in one of your groups decides in your place what you
      could decide. Both names are on record.
    </p>
    ${
      absences.length === 0
        ? undefined
        : html`<ul class="plain">
            ${absences.map((one) => absence(view, one))}
          </ul>`
    }
    ${view.canDecide ? form(view) : html`<p class="note">Sign in with the right to decide to name somebody.</p>`}
  </section>`;
}

function absence({ email, formToken, canDecide }: AbsencesView, one: Absence): Html {
  const { id, person, substitute, from, until } = one;
  const who =
    person === email
      ? html`<strong>${substitute}</strong> stands in for you`
      : html`You stand in for <strong>${person}</strong>`;
  return html`<li>
    ${who} from ${when(from)} until ${when(until)}
    ${
      canDecide
        ? html`<form method="post" action="/account/back">
            <input type="hidden" name="csrf" value="${formToken}" />
            <input type="hidden" name="id" value="${id}" />
            <button aria-label="End: ${person === email ? substitute : person}, from ${from}">
              End
            </button>
          </form>`
        : undefined
    }
  </li>`;
}

function form({ formToken }: AbsencesView): Html {
  return html`<form method="post" action="/account/away">
    <input type="hidden" name="csrf" value="${formToken}" />
    <div class="fields">
      <div>
        <label for="substitute">Colleague</label>
        <input
          id="substitute"
          name="substitute"
          type="email"
          required
          maxlength="254"
          autocomplete="off"
          aria-describedby="substitute-help"
        />
        <p id="substitute-help" class="help">Their e-mail address.</p>
      </div>
      <div>
        <label for="away-from">From (UTC)</label>
        <input id="away-from" name="from" type="datetime-local" aria-describedby="from-help" />
        <p id="from-help" class="help">Empty: now.</p>
      </div>
      <div>
        <label for="away-until">Until (UTC)</label>
        <input id="away-until" name="until" type="datetime-local" required />
      </div>
    </div>
    <button>Say that I am away</button>
  </form>`;
}
