/** A browser at the console, as plain requests: keeps its cookie, follows nothing. */
export class Visitor {
  cookie = '';
  readonly #at: string;
  constructor(at: string) {
    this.#at = at;
  }

  async get(path: string, init: RequestInit = {}) {
    const answer = await fetch(new URL(path, this.#at), {
      redirect: 'manual',
      ...init,
      headers: { ...Object.fromEntries(new Headers(init.headers)), cookie: this.cookie },
    });
    for (const line of answer.headers.getSetCookie()) this.cookie = line.split(';')[0] ?? '';
    const location = answer.headers.get('location') ?? '';
    return { status: answer.status, location, text: await answer.text() };
  }

  /** Comes back from a provider. */
  back(url: URL) {
    return this.get(url.pathname + url.search);
  }

  /** Fills in the decision form of this page. */
  async submit(page: string, fields: Readonly<Record<string, string>>) {
    const { text } = await this.get(page);
    const hidden = (name: string): string =>
      new RegExp(`name="${name}" value="([^"]*)"`, 'u').exec(text)?.[1] ?? '';
    return this.get(`${page}/decision`, {
      method: 'POST',
      headers: { origin: this.#at, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf: hidden('csrf'), version: hidden('version'), ...fields }),
    });
  }

  /** Sends a form of that page to `path`. */
  async post(page: string, path: string, fields: Readonly<Record<string, string>> = {}) {
    const { text } = await this.get(page);
    const csrf = /name="csrf" value="([^"]*)"/u.exec(text)?.[1] ?? '';
    return this.get(path, {
      method: 'POST',
      headers: { origin: this.#at, 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ csrf, ...fields }),
    });
  }

  /** True when the inbox opens. */
  async isIn(): Promise<boolean> {
    return (await this.get('/')).status === 200;
  }
}
