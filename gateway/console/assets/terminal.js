// Plays a terminal's recording: speed, pauses, commands to jump to, search in what came out, links to a moment.
// Times that people see are those of the recording; where pauses are cut, the player's own run ahead of them.

/* global AsciinemaPlayer -- the script before this one */

// The player makes its own parts from markup that it was built with; nothing else may become markup on this page.
const PARTS =
  /^(?:[^<>]|<\/(?:button|canvas|defs|div|g|kbd|li|mask|p|path|polygon|polyline|pre|rect|span|svg|ul)>|<(?:button|canvas|defs|div|g|kbd|li|mask|p|path|polygon|polyline|pre|rect|span|svg|ul)(?:\s+(?:aria-hidden|aria-label|aria-live|class|d|fill|height|id|mask|points|preserveAspectRatio|stroke|stroke-linecap|stroke-linejoin|stroke-width|tabindex|type|version|viewBox|width|x|xmlns|y)="[^"<>]*")*\s*\/?>)*$/u;
globalThis.trustedTypes?.createPolicy('default', {
  createHTML: (markup) => (PARTS.test(markup) ? markup : undefined),
});

const MOST_HITS = 50;
const CONTROLS =
  // oxlint-disable-next-line no-control-regex -- what is not text of the screen
  /\u001B\[[0-?]*[ -/]*[@-~]|\u001B[\]PX^_][^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)|\u001B[ -/]*[0-~]|[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/gu;

const find = (id) => document.getElementById(id);
const place = find('player');
let recording;
let player;
/** Seconds of the recording and of the player, event by event, ascending. */
let times = [];

const two = (part) => String(part).padStart(2, '0');

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
}

/** asciicast v3: a header, then events with the seconds since the one before; lines that begin with # are comments. */
function parse(text) {
  const [head, ...lines] = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const { term } = JSON.parse(head);
  let now = 0;
  const events = lines.map((line) => {
    const [interval, code, data] = JSON.parse(line);
    now += interval;
    return [now, code, data];
  });
  return { cols: term.cols, rows: term.rows, events };
}

/** The events in the player's time, in milliseconds: no pause is longer than `idle` seconds. */
function paced({ cols, rows, events }, idle) {
  let now = 0;
  let last = 0;
  times = [];
  const shown = events.map(([time, code, data]) => {
    now += Math.min(time - last, idle);
    last = time;
    times.push([time, now]);
    return [now * 1000, code, data];
  });
  return { cols, rows, events: shown };
}

/** From one clock to the other; between two events both run alike. */
function convert(value, from, to) {
  let before = [0, 0];
  for (const pair of times) {
    if (pair[from] > value) return Math.min(before[to] + value - before[from], pair[to]);
    before = pair;
  }
  return before[to];
}
const toPlayer = (time) => convert(time, 0, 1);
const toRecording = (time) => convert(time, 1, 0);

function start(at, playing) {
  const speed = Number(find('speed').value);
  const idle = find('idle').checked ? 2 : Infinity;
  player?.dispose();
  const data = paced(recording, idle);
  player = AsciinemaPlayer.create({ data, parser: (each) => each }, place, {
    speed,
    startAt: toPlayer(at),
    autoPlay: playing,
    preload: true,
    fit: 'width',
    poster: `npt:${Math.max(0.1, toPlayer(at))}`,
    theme: 'asciinema',
  });
  for (const name of ['play', 'pause', 'ended']) player.addEventListener(name, showMoment);
}

const now = () => toRecording(player?.getCurrentTime() ?? 0);

function showMoment() {
  const at = Math.round(now() * 10) / 10;
  const link = find('moment');
  if (link.dataset.at === String(at)) return;
  link.dataset.at = String(at);
  link.href = `?t=${at}`;
  link.textContent = `Link to ${clock(at)}`;
}

async function jump(time) {
  await player.seek(toPlayer(time));
  showMoment();
  place.scrollIntoView({ block: 'nearest' });
}

function moments(list, all) {
  list.replaceChildren(
    ...all.map(({ time, label }) => {
      const item = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'moment';
      const at = document.createElement('span');
      at.className = 'soft';
      at.textContent = clock(time);
      button.append(at, ` ${label}`);
      button.addEventListener('click', () => void jump(time));
      item.append(button);
      return item;
    }),
  );
}

/** What stood on each line, as far as text tells it, with the time at which its last character came. */
function linesOf({ events }) {
  const lines = [];
  let text = '';
  let held = '';
  let last = 0;
  for (const [time, code, data] of events) {
    if (code !== 'o') continue;
    const joined = held + data;
    // A sequence that is cut off waits for its rest.
    // oxlint-disable-next-line no-control-regex -- ESC
    const cut = joined.search(/\u001B[^\u001B]{0,40}$/u);
    const whole =
      cut === -1 || /[@-~]$/u.test(joined.slice(cut + 2)) ? joined : joined.slice(0, cut);
    held = joined.slice(whole.length);
    const parts = whole.replaceAll(CONTROLS, '').split('\n');
    for (const [i, part] of parts.entries()) {
      text += part;
      if (i === parts.length - 1) continue;
      if (text.trim() !== '') lines.push({ time, text });
      text = '';
    }
    last = time;
  }
  if (text.trim() !== '') lines.push({ time: last, text });
  return lines;
}

let lines;
function search(word) {
  lines ??= linesOf(recording);
  const wanted = word.toLowerCase();
  const hits = wanted === '' ? [] : lines.filter(({ text }) => text.toLowerCase().includes(wanted));
  const shown = hits.slice(0, MOST_HITS).map(({ time, text }) => {
    const from = Math.max(0, text.toLowerCase().indexOf(wanted) - 40);
    return { time, label: text.slice(from, from + 120) };
  });
  moments(find('hits'), shown);
  const more = hits.length > MOST_HITS ? `, the first ${MOST_HITS} are shown` : '';
  find('found').textContent =
    word === '' ? '' : `${hits.length} ${hits.length === 1 ? 'line' : 'lines'}${more}`;
}

async function open() {
  const answer = await fetch(place.dataset.cast);
  if (!answer.ok) throw new Error(String(answer.status));
  recording = parse(await answer.text());
  const marks = recording.events
    .filter(([, code]) => code === 'm')
    .map(([time, , label]) => ({ time, label: label === '' ? 'mark' : label }));
  moments(find('marks'), marks);
  find('no-marks').hidden = marks.length > 0;
  const at = Number(new URLSearchParams(location.search).get('t') ?? 0);
  start(Number.isFinite(at) ? at : 0, false);
  find('tools').hidden = false;
  showMoment();
  setInterval(showMoment, 500);
}

for (const id of ['speed', 'idle']) find(id).addEventListener('change', () => start(now(), false));
find('search').addEventListener('submit', (event) => {
  event.preventDefault();
  search(find('word').value.trim());
});
try {
  await open();
} catch {
  place.textContent = 'The recording could not be read. Reload, or download it.';
}
