// Counts the time down and reads the page anew when a request of it changes. Without this file every page works by reload.
// Nothing here moves what somebody looks at: lists wait for a button, a panel keeps the room it has.

/** @param {number} ms */
function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function countDown() {
  for (const time of document.querySelectorAll('time[data-left]')) {
    const left = Date.parse(time.dateTime) - Date.now();
    const text = `${duration(left)} left`;
    if (time.textContent !== text) time.textContent = text;
    time.classList.toggle('soon', left < 60_000);
  }
}

/** The same page as it is now, parsed without running anything. */
function readAnew() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('GET', location.href);
    request.responseType = 'document';
    request.setRequestHeader('x-countersign-live', '1');
    request.addEventListener('load', () =>
      request.status === 200 && request.responseURL === location.href.split('#')[0]
        ? resolve(request.responseXML)
        : reject(new Error(String(request.status))),
    );
    request.addEventListener('error', () => reject(new Error('no answer')));
    request.send();
  });
}

function say(text) {
  document.querySelector('#news').textContent = text;
}

/** Puts `next` in the place of `region`. What had the focus has it again, or what stands for it. */
function swap(region, next) {
  const focused = region.contains(document.activeElement) ? document.activeElement : undefined;
  const key = focused?.id || focused?.getAttribute('href');
  const node = document.importNode(next, true);
  region.replaceWith(node);
  if (focused) (findAgain(node, key) ?? node).focus();
  return node;
}

function findAgain(node, key) {
  return [...node.querySelectorAll('[id], a[href]')].find(
    (each) => each.id === key || each.getAttribute('href') === key,
  );
}

/** A panel is replaced at once and keeps its height, so that nothing below it moves. */
function replacePanel(region, next) {
  const changed = next.dataset.live !== region.dataset.live;
  // What somebody is typing stays, unless it can no longer be sent.
  if (!changed && region.querySelector('textarea')) return;
  const { height } = region.getBoundingClientRect();
  const node = swap(region, next);
  node.style.minHeight = `${height}px`;
  if (node.getBoundingClientRect().height > height + 1) {
    node.style.height = `${height}px`;
    node.style.overflowY = 'auto';
    node.tabIndex = 0;
  }
  if (changed) say(node.dataset.says);
}

const placesIn = (list) =>
  [...list.querySelectorAll('[data-request]')].map(
    (item) => `${item.closest('section').getAttribute('aria-labelledby')} ${item.dataset.request}`,
  );
const idOf = (place) => place.split(' ')[1];
const itemOf = (list, id) => list.querySelector(`[data-request="${CSS.escape(id)}"]`);

/** An item that stays where it is says what has become of it. */
function mark(item, { name, tone, open }) {
  const badge = item.querySelector('.badge');
  badge.textContent = name;
  badge.className = `badge ${tone}`;
  item.classList.toggle('over', !open && item.querySelector('[data-left]') !== null);
}

function markShown(list, next) {
  for (const item of list.querySelectorAll('[data-request]')) {
    const now = itemOf(next, item.dataset.request);
    if (!now) continue;
    const badge = now.querySelector('.badge');
    const tone = badge.className.replace('badge ', '');
    mark(item, { name: badge.textContent, tone, open: now.querySelector('[data-left]') !== null });
  }
}

/** The list that the button would show, and the ids in it that are not in the one shown. */
let waiting;
let added = [];

function updateList(list, next) {
  markShown(list, next);
  const now = placesIn(next);
  const before = placesIn(list);
  const known = new Set(before.map(idOf));
  const fresh = [...new Set(now.map(idOf))].filter((id) => !known.has(id));
  const more = document.querySelector('#more');
  const same = now.join() === before.join();
  // Nobody looks at a page that is hidden, so there it is simply up to date.
  if (!same && document.hidden) swap(list, next);
  waiting = same || document.hidden ? undefined : next;
  more.hidden = waiting === undefined;
  const count = fresh.length === 1 ? '1 new request' : `${fresh.length} new requests`;
  more.textContent = fresh.length > 0 ? count : 'Show what changed';
  if (fresh.some((id) => !added.includes(id)))
    say(next.dataset.live === list.dataset.live ? count : `${count}. ${next.dataset.says}.`);
  added = fresh;
}

function showWaiting() {
  const list = document.querySelector('[data-patient]');
  if (!waiting || !list) return;
  const node = swap(list, waiting);
  const first = added.map((id) => itemOf(node, id)).find((item) => item !== null);
  waiting = undefined;
  added = [];
  countDown();
  (first?.querySelector('a') ?? document.querySelector('#main')).focus();
  document.querySelector('#more').hidden = true;
}

function replaceChanged(fresh) {
  for (const region of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    if (region.matches('[data-patient]')) updateList(region, next);
    else if (next.innerHTML !== region.innerHTML) replacePanel(region, next);
  }
  document.title = fresh.title;
  countDown();
}

/** What was heard of requests while the page was being read: the answer may be older. */
const heard = new Map();
function markNews(news) {
  const shown = itemOf(document, news.id);
  if (shown) mark(shown, news);
}

let reading = false;
let asked = false;
async function refresh() {
  asked = true;
  if (reading) return;
  reading = true;
  while (asked) {
    asked = false;
    heard.clear();
    try {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      replaceChanged(await readAnew());
      heard.forEach(markNews);
    } catch {
      status('This page may be out of date. Reload it.');
    }
  }
  reading = false;
}

function status(text) {
  document.querySelector('#live').textContent = text;
}

function listen() {
  const source = new EventSource('/events');
  let broken = false;
  source.addEventListener('ready', () => {
    status('Live');
    if (broken) void refresh();
    broken = false;
  });
  source.addEventListener('error', () => {
    broken = true;
    status('Not live: trying again. Reload to see news.');
  });
  source.addEventListener('request', (event) => {
    const news = JSON.parse(event.data);
    if (reading) heard.set(news.id, news);
    markNews(news);
    if (!location.pathname.startsWith('/requests/') || location.pathname.endsWith(news.id))
      void refresh();
  });
  addEventListener('pagehide', () => source.close());
}

document.querySelector('#more')?.addEventListener('click', showWaiting);
addEventListener('keydown', (event) => {
  const open = event.target.closest?.('details[open]');
  if (event.key !== 'Escape' || !open) return;
  open.open = false;
  open.querySelector('summary').focus();
});
if (document.querySelector('[data-live]')) listen();
else document.querySelector('#live').hidden = true;
countDown();
setInterval(countDown, 1000);
