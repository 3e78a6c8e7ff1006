import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RecordingEvent } from '#src/recording/port.ts';
import type { HttpDeps } from '../api/deps.ts';
import { Problem } from '../api/problem.ts';
import { openRecording, recordingBegun } from '../api/recording.ts';
import { parse } from '../api/route.ts';
import { idParams } from '../api/schemas.ts';
import { FEW_ROWS, readSessionFacts } from '../api/session-view.ts';
import { NoLonger, watched } from '../api/watched.ts';
import { BY_ITSELF, type Guard } from './guard.ts';
import { visible } from './html.ts';
import { shortened } from './words.ts';

const BEAT_MS = 15_000;
const MOST = 200;
const LONGEST = 2_000;
const query = z.object({ skip: z.coerce.number().int().min(0).catch(0) });

/** Live views of sessions: what is recorded goes on to the page as server-sent events. */
export class Follow {
  readonly #deps: HttpDeps;
  readonly #guard: Guard;
  readonly #open = new Set<AbortController>();

  constructor(deps: HttpDeps, guard: Guard) {
    this.#deps = deps;
    this.#guard = guard;
  }

  close(): void {
    for (const stream of this.#open) stream.abort();
  }

  /** Resolves when it is over; throws a problem when it may not begin. The look is recorded before anything is sent. */
  async serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = await this.#guard.signedIn(request);
    if (!caller) throw new Problem(401, 'signed-out', 'Sign in again.');
    const { id } = parse(idParams, request.params, 'path');
    const { skip } = parse(query, request.query, 'query');
    const last = Number(request.headers['last-event-id']);
    // Nobody is at work here only because a page is open.
    request.headers[BY_ITSELF] = '1';
    if (this.#open.size >= MOST)
      throw new Problem(503, 'busy', 'Too many live views are open. Reload to see what came.');
    const reader = { person: caller.person, via: 'console' } as const;
    const { info, recordings } = await openRecording(this.#deps, reader, id, { live: true });
    const over = new AbortController();
    this.#open.add(over);
    const still = async (): Promise<boolean> => {
      const now = await this.#guard.signedIn(request);
      if (now) await readSessionFacts(this.#deps, { ...reader, person: now.person }, id);
      return now !== undefined;
    };
    try {
      await send(
        reply,
        watched(
          recordings,
          id,
          { still, begun: () => recordingBegun(this.#deps, id) },
          over.signal,
        ),
        {
          skip: last > skip ? last : skip,
          since: info.startedAt.getTime(),
          over,
        },
      );
    } finally {
      over.abort();
      this.#open.delete(over);
    }
  }
}

async function send(
  reply: FastifyReply,
  events: AsyncIterable<RecordingEvent>,
  {
    skip,
    since,
    over,
  }: { readonly skip: number; readonly since: number; readonly over: AbortController },
): Promise<void> {
  reply.hijack();
  const out = reply.raw;
  if (out.destroyed) return;
  out.on('close', () => over.abort());
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) out.setHeader(name, value);
  out.writeHead(200, { 'content-type': 'text/event-stream' });
  out.write('retry: 2000\nevent: ready\ndata:\n\n');
  const beat = setInterval(() => out.write(': still here\n\n'), BEAT_MS).unref();
  const few = new FewRows();
  let seen = 0;
  try {
    for await (const event of events) {
      seen += 1;
      if (!few.takes(event) || seen <= skip) continue;
      // The browser says the id again when it connects anew.
      const free = out.write(`id: ${seen}\ndata: ${JSON.stringify(shown(event, since))}\n\n`);
      if (!free)
        await new Promise((resolve) => void out.once('drain', resolve).once('close', resolve));
    }
    if (over.signal.aborted) out.destroy();
    else out.end('event: over\ndata:\n\n');
  } catch (error) {
    // The page connects anew, and is told that there is nothing for it.
    out.destroy();
    if (!(error instanceof NoLonger)) throw error;
  } finally {
    clearInterval(beat);
  }
}

/** Lets only the first rows of each result by; its end says how many there were. */
class FewRows {
  #rows = 0;
  takes({ k }: RecordingEvent): boolean {
    if (k === 'columns' || k === 'statement' || k === 'end') this.#rows = 0;
    if (k !== 'row') return true;
    this.#rows += 1;
    return this.#rows <= FEW_ROWS;
  }
}

/** The same with every text short, and without characters that are not seen: the page puts it up as it is. */
function shown(event: RecordingEvent, since: number): unknown {
  const at = `${new Date(since + event.t).toISOString().replace('T', ' ').slice(0, 19)} UTC`;
  return JSON.parse(JSON.stringify({ ...event, at }), (_key, value: unknown) =>
    typeof value === 'string' ? visible(shortened(value, LONGEST)) : value,
  );
}
