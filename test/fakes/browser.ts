/** A person at the console, as far as cookies and forms go, over real HTTP. */
export type Browser = {
  get(path: string): Promise<Answer>;
  /** Sends a form of the page that was read last, with its form token. */
  post(path: string, fields: Record<string, string>, change?: Change): Promise<Answer>;
};

export type Answer = {
  readonly status: number;
  readonly text: string;
  /** Where it leads to, as it was written. */
  readonly location: string | undefined;
};

/** What an attacker would send instead. */
type Change = { readonly csrf?: string; readonly headers?: Record<string, string> };

export function browse(console: string): Browser {
  const jar = new Map<string, string>();
  let form = '';
  const ask = async (
    path: string,
    init: { method?: string; body?: URLSearchParams; headers?: Record<string, string> },
  ): Promise<Answer> => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, console), {
      redirect: 'manual',
      ...init,
      headers: { cookie, accept: 'text/html', ...init.headers },
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/u.exec(set) ?? [];
      jar.set(name, value);
    }
    const text = await response.text();
    form = /name="csrf" value="([^"]+)"/u.exec(text)?.[1] ?? form;
    return {
      status: response.status,
      text,
      location: response.headers.get('location') ?? undefined,
    };
  };
  return {
    get: (path) => ask(path, {}),
    post: (path, fields, { csrf = form, headers = {} } = {}) =>
      ask(path, {
        method: 'POST',
        body: new URLSearchParams({ csrf, ...fields }),
        headers: { origin: new URL(console).origin, 'sec-fetch-site': 'same-origin', ...headers },
      }),
  };
}

/** Somebody who has signed in to the console with a token. */
export async function signedIn(console: string, token: string): Promise<Browser> {
  const browser = browse(console);
  await browser.get('/sign-in');
  const { status, text } = await browser.post('/sign-in', { token, next: '' });
  if (status !== 303) throw new Error(`not signed in: ${status} ${text}`);
  return browser;
}

/** What a person does with a code: types it, and presses the button. */
export async function confirmCode(
  browser: Browser,
  code: string,
  decision: 'approve' | 'deny' = 'approve',
): Promise<Answer> {
  await browser.get('/device');
  const shown = await browser.post('/device', { code });
  const login = /name="login" value="([^"]+)"/u.exec(shown.text)?.[1];
  if (login === undefined) return shown;
  return browser.post('/device/decision', { login, decision });
}
