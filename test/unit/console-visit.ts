import assert from 'node:assert/strict';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';

type Change = { csrf?: string; origin?: string | undefined; site?: string };

/** A browser as far as cookies and forms go. */
export class Visitor {
  readonly #app: FastifyInstance;
  cookie: string;
  #form = '';

  constructor(app: FastifyInstance, cookie: string) {
    this.#app = app;
    this.cookie = cookie;
  }

  #keep(answer: LightMyRequestResponse): LightMyRequestResponse {
    const cookie = answer.cookies.at(-1);
    if (cookie) this.cookie = `${cookie.name}=${cookie.value}`;
    this.#form = /name="csrf" value="([^"]+)"/u.exec(answer.body)?.[1] ?? this.#form;
    return answer;
  }

  async get(url: string): Promise<LightMyRequestResponse> {
    return this.#keep(await this.#app.inject({ url, headers: { cookie: this.cookie } }));
  }

  async formToken(): Promise<string> {
    await this.get('/');
    return this.#form;
  }

  async post(
    url: string,
    form: Record<string, string>,
    cookie = this.cookie,
    change: Change = {},
  ): Promise<LightMyRequestResponse> {
    if (this.#form === '' || url !== '/sign-in') await this.get(url === '/sign-in' ? url : '/');
    const { csrf = this.#form, site = 'same-origin' } = change;
    const origin = 'origin' in change ? change.origin : 'http://127.0.0.1:8080';
    return this.#keep(
      await this.#app.inject({
        method: 'POST',
        url,
        payload: new URLSearchParams({ csrf, ...form }).toString(),
        headers: {
          cookie,
          'content-type': 'application/x-www-form-urlencoded',
          'sec-fetch-site': site,
          ...(origin !== undefined && { origin }),
        },
      }),
    );
  }
}

export const visit = (app: FastifyInstance, cookie = ''): Visitor => new Visitor(app, cookie);

export async function signIn(app: FastifyInstance, token: string): Promise<Visitor> {
  const visitor = visit(app);
  await visitor.get('/sign-in');
  const answer = await visitor.post('/sign-in', { token, next: '' });
  assert.equal(answer.statusCode, 303, answer.body);
  return visitor;
}
