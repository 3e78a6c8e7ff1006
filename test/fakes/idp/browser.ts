/** A person's browser, scripted: keeps cookies, follows redirects, and fills in the provider's forms. */
export class ScriptedBrowser {
  readonly #jar = new Map<string, string>();

  /** Follows redirects from `url` while they stay at `origin`. Resolves with the page, or with the address outside. */
  async go(url: string, origin: string, init: RequestInit = {}): Promise<Visited> {
    for (let hop = 0; hop < 12; hop++) {
      const response = await fetch(url, {
        ...init,
        redirect: 'manual',
        headers: { ...Object.fromEntries(new Headers(init.headers)), cookie: this.#cookies() },
      });
      this.#keep(response);
      const location = response.headers.get('location');
      if (response.status < 300 || response.status > 399 || location === null)
        return { url, status: response.status, html: await response.text() };
      await response.body?.cancel();
      url = new URL(location, url).href;
      init = {};
      if (new URL(url).origin !== origin) return { url, left: true, status: 303, html: '' };
    }
    throw new Error(`more than 12 redirects, the last to ${url}`);
  }

  /** Sends the page's first form, with `fill` in place of what stands there. */
  submit(page: Visited, origin: string, fill: Readonly<Record<string, string>>): Promise<Visited> {
    const form = formOf(page.html);
    if (!form)
      throw new Error(`no form at ${page.url} (${page.status}): ${page.html.slice(0, 400)}`);
    return this.go(new URL(form.action, page.url).href, origin, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        origin: new URL(page.url).origin,
        'sec-fetch-site': 'same-origin',
      },
      body: new URLSearchParams({ ...form.fields, ...fill }).toString(),
    });
  }

  #cookies(): string {
    return [...this.#jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  #keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';');
      const at = pair.indexOf('=');
      const over = attributes.some((each) => /expires=Thu, 01 Jan 1970|max-age=0/iu.test(each));
      if (over || at === pair.length - 1) this.#jar.delete(pair.slice(0, at));
      else this.#jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}

export type Visited = {
  readonly url: string;
  readonly status: number;
  readonly html: string;
  /** The address is not the provider's any more, and was not fetched. */
  readonly left?: true;
};

function formOf(
  html: string,
): { readonly action: string; readonly fields: Readonly<Record<string, string>> } | undefined {
  const form = /<form[^>]*\saction="([^"]*)"[^>]*>([\s\S]*?)<\/form>/u.exec(html);
  if (!form) return undefined;
  const fields = [...(form[2] ?? '').matchAll(/<input[^>]*>/gu)].flatMap(([input]) => {
    const name = attribute(input, 'name');
    return name === undefined ? [] : [[name, attribute(input, 'value') ?? ''] as const];
  });
  return { action: unescape(form[1] ?? ''), fields: Object.fromEntries(fields) };
}

function attribute(element: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`, 'u').exec(element)?.[1];
  return value === undefined ? undefined : unescape(value);
}

const unescape = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** Follows redirects, picks the person where the provider asks, and confirms what else it asks. */
export async function walk(
  browser: ScriptedBrowser,
  url: string,
  origin: string,
  subject: string,
): Promise<Visited> {
  let page = await browser.go(url, origin);
  for (let step = 0; step < 6 && !page.left && page.html.includes('<form'); step++)
    page = await browser.submit(
      page,
      origin,
      page.html.includes('name="person"') ? { person: subject } : { confirm: 'yes', logout: 'yes' },
    );
  return page;
}

/** What a reader sees of the page. */
export const textOf = ({ html }: Visited): string =>
  html
    .replaceAll(/<(script|style)[\s\S]*?<\/\1>|<[^>]+>/gu, ' ')
    .replaceAll(/\s+/gu, ' ')
    .trim();
