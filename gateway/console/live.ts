import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpDeps } from '../api/deps.ts';
import { Problem } from '../api/problem.ts';
import { maySeeRequest } from '../api/rights.ts';
import type { Guard } from './guard.ts';
import type { SignIns } from './sign-ins.ts';
import { STATES } from './words.ts';

const BEAT_MS = 20_000;
const MOST = 1_000;
const MOST_BEHIND_BYTES = 65_536;

type Stream = { readonly email: string; write(text: string): void; drop(): void };

/** Server-sent events: says which request changed, to those who may see it; the page then reads itself anew. */
export class Live {
  readonly #deps: HttpDeps;
  readonly #signIns: SignIns;
  readonly #guard: Guard;
  readonly #streams = new Set<Stream>();
  readonly #stop: () => void;

  constructor(deps: HttpDeps, signIns: SignIns, guard: Guard, onError: (error: unknown) => void) {
    this.#deps = deps;
    this.#signIns = signIns;
    this.#guard = guard;
    this.#stop = deps.changes.on((requestId) => {
      if (this.#streams.size > 0) this.#announce(requestId).catch(onError);
    });
  }

  close(): void {
    this.#stop();
  }

  /** Resolves once the stream is open; throws a problem when it may not be. */
  async open(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const id = this.#guard.cookieOf(request);
    const caller = await this.#guard.signedIn(request);
    if (!id || !caller) throw new Problem(401, 'signed-out', 'Sign in again.');
    if (this.#streams.size >= MOST)
      throw new Problem(503, 'busy', 'Too many live pages are open. Reload to see news.');

    reply.hijack();
    const out = reply.raw;
    // Gone while we asked who it is: its 'close' has been, and would never take the stream off the list.
    if (request.raw.socket.destroyed) return;
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) out.setHeader(name, value);
    out.writeHead(200, { 'content-type': 'text/event-stream' });
    let last = Promise.resolve();
    const stream: Stream = {
      email: caller.person.email,
      write: (text) => {
        // A reader that does not read, or has signed out, is let go.
        if (out.writableLength > MOST_BEHIND_BYTES) out.destroy();
        last = last.then(async () => {
          const still = await this.#signIns.find(id, false).catch(() => undefined);
          if (!still) out.destroy();
          else if (!out.destroyed) out.write(text);
        });
      },
      drop: () => out.destroy(),
    };
    const beat = setInterval(() => {
      // A token that was revoked or has expired ends the stream too, when nothing else is asked of it.
      this.#guard.signedIn(request).then(
        (still) => (still ? stream.write(': still here\n\n') : stream.drop()),
        () => stream.drop(),
      );
    }, BEAT_MS).unref();
    out.on('close', () => {
      clearInterval(beat);
      this.#streams.delete(stream);
    });
    this.#streams.add(stream);
    stream.write('retry: 2000\nevent: ready\ndata:\n\n');
  }

  /** When it cannot be read who may see it, all streams end: pages that reconnect read themselves anew. */
  async #announce(requestId: string): Promise<void> {
    try {
      const changed = await this.#deps.requests.get(requestId);
      if (!changed) return;
      const { name, tone } = STATES[changed.state];
      const said = {
        id: requestId,
        state: changed.state,
        name,
        tone,
        open: changed.state === 'pending',
      };
      const news = `event: request\ndata: ${JSON.stringify(said)}\n\n`;
      for (const stream of this.#streams) {
        // oxlint-disable-next-line no-await-in-loop -- the directory is asked once a person, in memory or cached
        const person = await this.#deps.directory.find(stream.email);
        if (!person) stream.drop();
        else if (maySeeRequest(person, changed)) stream.write(news);
      }
    } catch (error) {
      for (const stream of this.#streams) stream.drop();
      throw error;
    }
  }
}
