import type { Run } from '#src/audit/verification.ts';
import { html, type Html } from '../html.ts';
import { badge, when } from '../words.ts';

const PHASES = {
  chains: 'the chain of every writer, and every body',
  tree: 'the tree, its tiles and every checkpoint',
  anchors: 'what was laid down in git',
} as const;

const count = (records: number): string => records.toLocaleString('en');

/** The verification of the whole log: how far it is, what it has found, and the button that begins one. */
export function runPanel(run: Run | undefined, formToken: string): Html {
  return html`<section aria-labelledby="whole">
    <h2 id="whole">Verify the whole log</h2>
    <p>
      Every record against its chain, its commitment, the tree, every checkpoint and what was laid
      down in git. It takes some minutes for a million records, and runs beside everything else.
    </p>
    <div id="run" data-run="${stateOf(run)}">${run && progress(run)} ${act(run, formToken)}</div>
  </section>`;
}

type State = 'none' | 'running' | 'ended';
const stateOf = (run: Run | undefined): State =>
  run === undefined ? 'none' : run.endedAt === undefined ? 'running' : 'ended';

const button = (formToken: string, action: string, name: string, look: string): Html =>
  html`<form method="post" action="/verify/${action}">
    <input type="hidden" name="csrf" value="${formToken}" />
    <div class="buttons"><button class="${look}">${name}</button></div>
  </form>`;

function act(run: Run | undefined, formToken: string): Html {
  return stateOf(run) === 'running'
    ? html`<p class="help"><a href="/verify#whole">Reload</a> to see how far it is.</p>
        ${button(formToken, 'cancel', 'Stop', 'danger')}`
    : button(formToken, 'run', run ? 'Verify again' : 'Verify', 'primary');
}

function progress({ by, startedAt, endedAt, step }: Run): Html {
  const who = html`<p class="help">
    Begun by ${by} at
    ${when(startedAt)}${endedAt === undefined ? '' : html`, ended ${when(endedAt)}`}
  </p>`;
  if (step.phase === 'cancelled')
    return html`<p>${badge('Stopped', 'still')} Nothing is known about the rest.</p>
      ${who}`;
  if (step.phase === 'failed')
    return html`<p>${badge('Not verified', 'bad')} It could not go on: ${step.why}</p>
      ${who}`;
  if (step.phase === 'done') return html`${ended(step)} ${who}`;
  const { phase, done, of } = step;
  return html`<p id="progress-of">
      ${PHASES[phase]}${phase === 'anchors' ? '' : html`: ${count(done)} of ${count(of)} records`}
    </p>
    <progress
      aria-labelledby="progress-of"
      max="${String(Math.max(1, of))}"
      value="${String(done)}"
    ></progress>
    ${who}`;
}

function ended({
  records,
  erased,
  writers,
  laidDown,
  problems,
}: Run['step'] & { readonly phase: 'done' }): Html {
  const what = `${count(records)} records of ${count(writers)} ${writers === 1 ? 'writer' : 'writers'}`;
  if (problems.length === 0)
    return html`<p>
      ${badge('Holds', 'good')} ${what}, every one in its place and
      unchanged${erased > 0 ? `; ${count(erased)} were erased` : ''}${
        laidDown > 0 ? `; ${count(laidDown)} checkpoints in git fit` : ''
      }.
    </p>`;
  return html`<p>${badge('Does not hold', 'bad')} ${what} were looked at.</p>
    <div class="note warn" role="note">
      <p>Keep the store as it is, and compare with backups, mirrors and anchors.</p>
      <ul>
        ${problems.map((one) => html`<li>${one}</li>`)}
      </ul>
    </div>`;
}
