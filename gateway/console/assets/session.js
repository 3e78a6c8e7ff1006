// Adds what a running session does to its page, as it is recorded. Without this file a reload shows it.
// Every text comes with what is not seen written out, and goes up as text, never as markup.

const list = document.querySelector('#transcript[data-follow]');
const state = document.querySelector('#following');
const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/iu;
const TONES = { allow: 'good', approved: 'good', hold: 'wait', deny: 'bad' };

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

/** The place of a statement on the page; made at the end when it is new. */
function stepOf(id) {
  const known = document.getElementById(`s-${id}`);
  if (known) return known;
  const step = element('li', undefined, 'card step');
  step.id = `s-${id}`;
  list.append(step);
  return step;
}

function begin({ id, text, verdict, at }) {
  const step = stepOf(id);
  const known = step.querySelector('.badge');
  const badge = known ?? element('span');
  badge.textContent = verdict;
  badge.className = `badge ${TONES[verdict] ?? 'still'}`;
  if (known) return;
  const head = element('h3', 'Statement', 'verb');
  const meta = element('p', undefined, 'meta');
  meta.append(badge, element('span', at));
  step.append(head, meta, element('pre', text, 'statement small'));
}

/** Where the answer of a statement goes: before what the log says of it. */
function answerOf(step) {
  const known = step.querySelector('.answer');
  if (known) return known;
  const answer = element('div', undefined, 'answer');
  step.insertBefore(answer, step.querySelector('.decisions'));
  return answer;
}

function tableIn(answer, names) {
  const region = element('div', undefined, 'result');
  region.tabIndex = 0;
  region.setAttribute('role', 'region');
  const number = answer.querySelectorAll('.result').length + 1;
  region.setAttribute('aria-label', `Result ${number} of a statement that has just run`);
  const table = element('table');
  const body = element('tbody');
  if (names) {
    const row = element('tr');
    for (const name of names) {
      const head = element('th', name);
      head.scope = 'col';
      row.append(head);
    }
    const head = element('thead');
    head.append(row);
    table.append(head);
  }
  table.append(body);
  region.append(table);
  answer.append(region);
  return body;
}

/** The table that rows go to now; ended results get no more. */
const open = new Map();

function addRow(id, answer, cells) {
  const body = open.get(id) ?? tableIn(answer);
  open.set(id, body);
  const row = element('tr');
  for (const cell of cells) {
    const none = cell === null ? 'NULL' : cell === '' ? 'empty' : undefined;
    const number = none === undefined && NUMBER.test(cell) ? 'number' : undefined;
    row.append(element('td', none ?? cell, none === undefined ? number : 'none'));
  }
  body.append(row);
}

function addEnd(id, answer, { rows, tag }) {
  const shown = open.get(id)?.rows.length ?? 0;
  const more =
    shown > 0 && rows > shown ? `${shown} of ${rows} rows; reload to see more` : undefined;
  const all = shown > 0 ? `${rows} ${rows === 1 ? 'row' : 'rows'}` : (tag ?? 'done');
  answer.append(element('p', more ?? all, 'tag'));
  open.delete(id);
}

function said({ severity, code, message }) {
  const line = element('p', undefined, 'said');
  line.append(element('strong', `${severity} ${code}`), ` ${message}`);
  return line;
}

function show(event) {
  if (event.k === 'statement') return begin(event);
  if (event.k === 'gap')
    return list.append(element('li', `Something is missing: ${event.reason}`, 'note warn'));
  if (event.s === undefined) return undefined;
  const answer = answerOf(stepOf(event.s));
  if (event.k === 'columns') open.set(event.s, tableIn(answer, event.names));
  else if (event.k === 'row') addRow(event.s, answer, event.cells);
  else if (event.k === 'end') addEnd(event.s, answer, event);
  else if (event.k === 'error' || event.k === 'notice') answer.append(said(event));
  if (event.k === 'error') open.delete(event.s);
  return undefined;
}

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

function followSession() {
  const source = new EventSource(list.dataset.follow);
  source.addEventListener('ready', () => say('Live: what happens is added here.'));
  source.addEventListener('message', (event) => show(JSON.parse(event.data)));
  source.addEventListener('over', () => {
    source.close();
    say('The session has ended. Reload to see how.');
  });
  source.addEventListener('error', () =>
    say(
      source.readyState === EventSource.CLOSED
        ? 'Not live any more. Reload to see what came.'
        : 'Not live: trying again.',
    ),
  );
  addEventListener('pagehide', () => source.close());
}

if (list) followSession();
