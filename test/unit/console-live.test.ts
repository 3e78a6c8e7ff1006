import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { listenHttp } from '#gateway/api/listener.ts';
import { makeRequest, makeWorld, people, type World } from './api-fakes.ts';

const closing: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closing) await close();
});

type Place = World & { readonly url: string; close(): Promise<void> };

async function listen(): Promise<Place> {
  const world = makeWorld();
  const server = await listenHttp({
    ...world.deps,
    log: pino({ level: 'silent' }),
    address: { host: '127.0.0.1', port: 0 },
  });
  closing.push(() => server.close());
  return Object.assign(world, { url: server.url, close: () => server.close() });
}

/** Signs in over the wire; resolves the cookie and the form token. */
async function cookieOf(
  url: string,
  token: string,
): Promise<{ readonly cookie: string; readonly csrf: string }> {
  const page = await fetch(`${url}/sign-in`);
  const csrf = /name="csrf" value="([^"]+)"/u.exec(await page.text())?.[1] ?? '';
  const first = page.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const answer = await fetch(`${url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: first, origin: url },
    body: new URLSearchParams({ csrf, token, next: '' }),
  });
  const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const inbox = await fetch(url, { headers: { cookie } });
  return { cookie, csrf: /name="csrf" value="([^"]+)"/u.exec(await inbox.text())?.[1] ?? '' };
}

class Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #text = '';
  constructor(answer: Response) {
    assert.ok(answer.body);
    this.#reader = answer.body.getReader();
  }
  /** Reads until `what` has come; resolves everything so far. Rejects when the stream ends first. */
  async until(what: string): Promise<string> {
    while (!this.#text.includes(what)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`the stream ended after ${this.#text}`);
      this.#text += Buffer.from(value).toString();
    }
    return this.#text;
  }
  async ended(): Promise<string> {
    for (;;) {
      const { done, value } = await this.#reader
        .read()
        .catch(() => ({ done: true as const, value: undefined }));
      if (done) return this.#text;
      this.#text += Buffer.from(value).toString();
    }
  }
}

async function stream(url: string, cookie: string): Promise<Stream> {
  const answer = await fetch(`${url}/events`, { headers: { cookie } });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/u);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  const opened = new Stream(answer);
  await opened.until('event: ready');
  return opened;
}

test('news of a request reaches those who may see it, as its id and state only', async () => {
  const place = await listen();
  const approver = await stream(place.url, (await cookieOf(place.url, 'approver-read')).cookie);
  const engineer2 = await stream(place.url, (await cookieOf(place.url, 'engineer-read')).cookie);
  const theirs = makeRequest({}, { person: people.approver2 });
  const shared = makeRequest();
  place.put(theirs);
  place.put(shared);
  const seen = await approver.until(shared.id);
  assert.ok(seen.includes(theirs.id));
  assert.doesNotMatch(seen, /update orders|engineer@/u);
  assert.ok(!(await engineer2.until(shared.id)).includes(theirs.id));
});

test('nobody listens without a sign-in', async () => {
  const place = await listen();
  assert.equal((await fetch(`${place.url}/events`)).status, 401);
});

test('the stream ends once its person has signed out, and tells nothing more', async () => {
  const place = await listen();
  const { cookie, csrf } = await cookieOf(place.url, 'approver-read');
  const open = await stream(place.url, cookie);
  await fetch(`${place.url}/sign-out`, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie, origin: place.url },
    body: new URLSearchParams({ csrf }),
  });
  const request = makeRequest();
  place.put(request);
  assert.ok(!(await open.ended()).includes(request.id));
});

test('a reader who left while the sign-in was looked up leaves no stream behind', async () => {
  const place = await listen();
  const { cookie } = await cookieOf(place.url, 'approver-read');
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const find = place.deps.signIns.find.bind(place.deps.signIns);
  place.deps.signIns.find = async (...of) => {
    asked.resolve();
    await answer.promise;
    return find(...of);
  };
  const leaving = connect(Number(new URL(place.url).port), '127.0.0.1');
  leaving.write(`GET /events HTTP/1.1\r\nhost: x\r\ncookie: ${cookie}\r\n\r\n`);
  await asked.promise;
  leaving.resetAndDestroy();
  await once(leaving, 'close');
  place.deps.signIns.find = find;
  // Another exchange over the wire: the server has seen the end of the first by then.
  const open = await stream(place.url, cookie);
  answer.resolve();
  await fetch(place.url, { headers: { cookie } });
  // The directory is asked once for each stream that is open.
  let finds = 0;
  const lookUp = place.deps.directory.find.bind(place.deps.directory);
  place.deps.directory.find = (email) => {
    finds += 1;
    return lookUp(email);
  };
  const request = makeRequest();
  place.put(request);
  await open.until(request.id);
  assert.equal(finds, 1);
});

test('a person who left the directory hears nothing more', async () => {
  const place = await listen();
  const open = await stream(place.url, (await cookieOf(place.url, 'approver-read')).cookie);
  const before = makeRequest();
  place.put(before);
  await open.until(before.id);
  place.directory.delete(people.approver.email);
  place.put(makeRequest());
  assert.equal((await open.ended()).split('event: request').length, 2);
});

test('closing the server ends live pages at once', async () => {
  const place = await listen();
  const open = await stream(place.url, (await cookieOf(place.url, 'approver-read')).cookie);
  await Promise.all([open.ended(), place.close()]);
});
