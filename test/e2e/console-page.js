// What tests ask of a page from the inside. Runs in the browser before the page's own script.

const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

function rgba(color) {
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return Array.from(context.getImageData(0, 0, 1, 1).data);
}

/** Relative luminance of WCAG 2.2. */
function luminance(color) {
  const [r, g, b] = color
    .slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function behind(element) {
  if (!element) return rgba('white');
  const own = rgba(getComputedStyle(element).backgroundColor);
  return own[3] === 255 ? own : behind(element.parentElement);
}

const hasText = (element) =>
  Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());

const nameOf = (element) => (element.labels?.[0]?.textContent ?? element.textContent ?? '').trim();

globalThis.probe = {
  /** Texts whose contrast with what is painted behind them is below WCAG 2.2 AA. */
  faint: () =>
    Array.from(document.querySelectorAll('body *'))
      .filter(hasText)
      .map((element) => {
        const text = luminance(rgba(getComputedStyle(element).color));
        const ground = luminance(behind(element));
        const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
        return { contrast, text: element.textContent.trim() };
      })
      .filter(({ contrast }) => contrast < 4.5)
      .map(({ contrast, text }) => `${text}: ${contrast.toFixed(2)}`),

  /** Controls too small for a finger, and controls without a name. */
  awkward: () =>
    Array.from(
      document.querySelectorAll('button, input:not([type=hidden]), summary, textarea, nav a'),
    )
      .filter((element) => element.checkVisibility())
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ element, box }) => box.width < 44 || box.height < 43 || nameOf(element) === '')
      .map(({ element, box }) => `${element.outerHTML} is ${box.width} by ${box.height}`),

  /** The layout shifts so far that nobody's click or key asked for, each with what moved. */
  shifts: () =>
    new Promise((resolve) => {
      const found = [];
      const observer = new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries())
          if (!hadRecentInput)
            found.push(
              `${value}: ${sources.map(({ node }) => node?.textContent.trim()).join(' | ')}`,
            );
      });
      observer.observe({ type: 'layout-shift', buffered: true });
      requestAnimationFrame(() => setTimeout(() => resolve(found), 50));
    }),

  /** What axe-core has to say against the page, by the rules of WCAG 2.2 A and AA and its best practices. */
  barriers: async () => {
    const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { passes, violations } = await axe.run(document, {
      resultTypes: ['violations'],
      runOnly: { type: 'tag', values },
    });
    if (passes.length < 15) return [`only ${passes.length} rules of axe had something to look at`];
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`),
    );
  },

  /** What has the focus, and whether one can see that it has. */
  focused: () => {
    const element = document.activeElement;
    const style = getComputedStyle(element, element.matches('.cover') ? '::after' : undefined);
    return { label: nameOf(element), seen: style.outlineStyle !== 'none' };
  },
};
