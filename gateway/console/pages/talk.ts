import { TEXT_MOST } from '#src/approval/questions.ts';
import type { Question, Request } from '#src/approval/request.ts';
import { html, type Html } from '../html.ts';
import { when } from '../words.ts';

/** What this caller can say about a request that waits. */
export type TalkForms = {
  readonly mayAsk: boolean;
  readonly mayAnswer: boolean;
  readonly mayRemind: boolean;
  /** Groups that they could hand it over to. */
  readonly others: readonly string[];
};

/** What was asked, answered, handed over and reminded of, with the forms to go on. */
export function talkPart(request: Request, forms: TalkForms, formToken: string): Html {
  const { questions = [], handedOver = [], reminded } = request;
  return html`${
    questions.length === 0
      ? undefined
      : html`<h3>Questions</h3>
          <ul class="decisions">
            ${questions.map((one) => question(request, one, forms, formToken))}
          </ul>`
  }
  ${
    handedOver.length === 0 && !reminded
      ? undefined
      : html`<ul class="decisions">
          ${handedOver.map(
            ({ group, person, at, agrees }) =>
              html`<li>
                <strong>${group}</strong>
                ${agrees ? 'was asked to agree as well' : 'was told'} by ${person}, ${when(at)}
              </li>`,
          )}
          ${
            reminded &&
            html`<li>
              ${reminded.person} reminded ${reminded.groups.join(' and ')}, ${when(reminded.at)}
            </li>`
          }
        </ul>`
  }
  ${forms.mayAsk ? asking(request, formToken) : undefined}
  ${forms.others.length > 0 ? handingOver(request, forms.others, formToken) : undefined}
  ${
    forms.mayRemind
      ? html`<form method="post" action="/requests/${request.id}/reminders">
          ${hidden(formToken)}
          <div class="buttons"><button>Remind those who have not agreed yet</button></div>
        </form>`
      : undefined
  }`;
}

const hidden = (formToken: string): Html =>
  html`<input type="hidden" name="csrf" value="${formToken}" />`;

function question(
  { id, card }: Request,
  one: Question,
  { mayAnswer }: TalkForms,
  formToken: string,
): Html {
  const { answer } = one;
  return html`<li>
    ${one.person}, ${when(one.at)}: <q>${one.text}</q>
    ${
      answer
        ? html`<br />
            <strong>${card.person.name}</strong>, ${when(answer.at)}: <q>${answer.text}</q>`
        : mayAnswer
          ? html`<form method="post" action="/requests/${id}/answers">
              ${hidden(formToken)}
              <input type="hidden" name="question" value="${one.id}" />
              <label for="answer-${one.id}">Your answer</label>
              <textarea
                id="answer-${one.id}"
                name="text"
                rows="3"
                maxlength="${TEXT_MOST}"
                required
              ></textarea>
              <div class="buttons"><button class="primary">Answer</button></div>
            </form>`
          : html`<br />
              <span class="soft">not answered yet</span>`
    }
  </li>`;
}

const asking = ({ id, card }: Request, formToken: string): Html =>
  html`<details>
    <summary>Ask a question</summary>
    <form method="post" action="/requests/${id}/questions">
      ${hidden(formToken)}
      <label for="question">Question</label>
      <textarea
        id="question"
        name="text"
        rows="3"
        maxlength="${TEXT_MOST}"
        required
        aria-describedby="question-help"
      ></textarea>
      <p id="question-help" class="help">
        ${card.person.name} is told at once, where they wait. Everybody who sees the request reads
        it.
      </p>
      <div class="buttons"><button>Ask</button></div>
    </form>
  </details>`;

const handingOver = (
  { id, requirement }: Request,
  others: readonly string[],
  formToken: string,
): Html =>
  html`<details>
    <summary>Hand over</summary>
    <form method="post" action="/requests/${id}/hand-overs">
      ${hidden(formToken)}
      <label for="group">To</label>
      <select id="group" name="group" aria-describedby="group-help">
        ${others.map(
          (group) =>
            html`<option value="${group}">
              ${group}${requirement.handOver?.includes(group) ? ', who has to agree as well' : ', who is told'}
            </option>`,
        )}
      </select>
      <p id="group-help" class="help">Those who were asked decide as before.</p>
      <div class="buttons"><button>Hand over</button></div>
    </form>
  </details>`;
