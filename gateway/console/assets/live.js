// Counts the time down and reads the page anew when a request of it changes. Without this file every page works by reload.

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

function replaceRegion(region, next) {
  const changed = next.dataset.live !== region.dataset.live;
  // What somebody is typing stays, unless it can no longer be sent.
  if (!changed && region.querySelector('textarea')) return;
  const focused = region.contains(document.activeElement) ? document.activeElement : undefined;
  const key = focused?.id || focused?.getAttribute('href');
  const node = document.importNode(next, true);
  region.replaceWith(node);
  if (focused) (findAgain(node, key) ?? node).focus();
  if (changed) say(node.dataset.says);
}

function replaceChanged(fresh) {
  for (const region of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(region.id);
    if (next && next.innerHTML !== region.innerHTML) replaceRegion(region, next);
  }
  document.title = fresh.title;
  countDown();
}

function findAgain(node, key) {
  return [...node.querySelectorAll('[id], a[href]')].find(
    (each) => each.id === key || each.getAttribute('href') === key,
  );
}

let reading = false;
let asked = false;
async function refresh() {
  asked = true;
  if (reading) return;
  reading = true;
  while (asked) {
    asked = false;
    try {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      replaceChanged(await readAnew());
    } catch {
      status('This page may be out of date. Reload it.');
    }
  }
  reading = false;
}

function status(text) {
  const line = document.querySelector('#live');
  line.hidden = false;
  line.textContent = text;
}

if (document.querySelector('[data-live]')) {
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
    const { id } = JSON.parse(event.data);
    if (!location.pathname.startsWith('/requests/') || location.pathname.endsWith(id))
      void refresh();
  });
  addEventListener('pagehide', () => source.close());
}
countDown();
setInterval(countDown, 1000);
