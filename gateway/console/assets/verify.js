// Follows a verification that is under way, and copies the commands. Without this file the page works by reload.

const EVERY_MS = 1_000;

/** The same page as it is now, parsed without running anything. */
function readAnew() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('GET', '/verify');
    request.responseType = 'document';
    request.setRequestHeader('x-countersign-live', '1');
    request.addEventListener('load', () =>
      request.status === 200 && new URL(request.responseURL).pathname === '/verify'
        ? resolve(request.responseXML)
        : reject(new Error(String(request.status))),
    );
    request.addEventListener('error', () => reject(new Error('no answer')));
    request.send();
  });
}

/** Puts the region as it is now in its place, and goes on while it runs. */
async function follow() {
  const region = document.querySelector('#run[data-run="running"]');
  if (!region) return;
  try {
    const next = (await readAnew()).querySelector('#run');
    if (!next) return;
    const focused = region.contains(document.activeElement);
    const bar = region.querySelector('progress');
    const now = next.querySelector('progress');
    if (bar && now && next.dataset.run === 'running') {
      // The bar and its words change in place: whoever is at the button stays there.
      bar.max = now.max;
      bar.value = now.value;
      region.querySelector('#progress-of').textContent =
        next.querySelector('#progress-of').textContent;
    } else {
      const node = document.importNode(next, true);
      region.replaceWith(node);
      if (focused) node.querySelector('button')?.focus();
      document.querySelector('#news').textContent = node.querySelector('p')?.textContent ?? '';
    }
  } catch {
    // The gateway is away for a moment; the next look may find it.
  }
  setTimeout(follow, EVERY_MS);
}

for (const commands of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'quiet copy';
  button.textContent = 'Copy the commands';
  button.addEventListener('click', () => {
    void navigator.clipboard.writeText(commands.textContent.trim()).then(() => {
      document.querySelector('#news').textContent = 'Copied.';
      button.textContent = 'Copied';
    });
  });
  commands.after(button);
}
document.querySelector('#result')?.focus();
setTimeout(follow, EVERY_MS);
