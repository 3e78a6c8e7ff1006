import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpDeps } from '../api/deps.ts';
import { Problem } from '../api/problem.ts';
import { maySeeRequest } from '../api/rights.ts';
import type { Guard } from './guard.ts';
import type { SignIns } from './sign-ins.ts';

const BEAT_MS = 20_000;
const MOST = 1_000;
const MOST_BEHIND_BYTES = 65_536;

/** Server-sent events: says which request changed, to those who may see it; the page then reads itself anew. */
export class Live {
  readonly #deps: HttpDeps;
  readonly #signIns: SignIns;
  readonly #guard: Guard;
  readonly #streams = new Set<(requestId: string) => void>();
  readonly #stop: () => void;

  constructor(deps: HttpDeps, signIns: SignIns, guard: Guard) {
    this.#deps = deps;
    this.#signIns = signIns;
    this.#guard = guard;
    this.#stop = deps.changes.on((requestId) => {
      for (const tell of this.#streams) tell(requestId);
    });
  }

  close(): void {
    this.#stop();
  }

  async open(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const id = this.#guard.cookieOf(request);
    const caller = await this.#guard.signedIn(request);
    if (!id || !caller) throw new Problem(401, 'signed-out', 'Sign in again.');
    if (this.#streams.size >= MOST)
      throw new Problem(503, 'busy', 'Too many live pages are open. Reload to see news.');

    reply.hijack();
    const out = reply.raw;
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) out.setHeader(name, value);
    out.writeHead(200, { 'content-type': 'text/event-stream' });
    const write = (text: string): void => {
      // A reader that does not read, or has signed out, is let go.
      if (out.writableLength > MOST_BEHIND_BYTES || !this.#signIns.find(id, false)) out.destroy();
      else out.write(text);
    };
    const tell = (requestId: string): void => {
      this.#tellIfSeen(caller.person.email, requestId, write).catch((error: unknown) => {
        request.log.warn(
          { cause: error instanceof Error ? error.name : '' },
          'live page missed news',
        );
        out.destroy();
      });
    };
    const beat = setInterval(() => {
      write(': still here\n\n');
    }, BEAT_MS).unref();
    out.on('close', () => {
      clearInterval(beat);
      this.#streams.delete(tell);
    });
    this.#streams.add(tell);
    write('retry: 2000\nevent: ready\ndata:\n\n');
  }

  async #tellIfSeen(
    email: string,
    requestId: string,
    write: (text: string) => void,
  ): Promise<void> {
    const person = await this.#deps.directory.find(email);
    const changed = person && (await this.#deps.requests.get(requestId));
    if (changed && maySeeRequest(person, changed))
      write(`event: request\ndata: ${JSON.stringify({ id: requestId, state: changed.state })}\n\n`);
  }
}
