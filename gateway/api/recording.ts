import { Readable } from 'node:stream';
import { z } from 'zod';
import { Asciicast } from '#src/recording/asciicast.ts';
import type { RecordingEvent, RecordingInfo } from '#src/recording/port.ts';
import { statementOf } from '#src/recording/transcript.ts';
import type { HttpDeps } from './deps.ts';
import { Problem } from './problem.ts';
import { apiReader, recordLook, type Reader } from './reading.ts';
import { noBody, parse, type Description, type Route } from './route.ts';
import { idParams } from './schemas.ts';
import { readSessionFacts, type SessionFacts } from './session-view.ts';
import { watched } from './watched.ts';

const query = z.strictObject({
  /** Goes on with what comes, until the session ends. */
  follow: z.stringbool().default(false),
  /** Only what belongs to this statement. */
  statement: z.uuid().optional(),
});

const SQL_TYPE = 'application/x-ndjson; charset=utf-8';
const TERMINAL_TYPE = 'application/x-asciicast';

const description: Description = {
  method: 'GET',
  path: '/sessions/{id}/recording',
  summary:
    'The recording of a session: a JSON object a line, of a terminal asciicast v3; each look is recorded',
  scope: 'read',
  params: idParams,
  query,
  body: noBody,
  reply: z.string(),
  media: 'application/x-ndjson',
  problems: [404],
};

/** What is known of a recording that may not have begun yet. */
export type Recorded = Pick<RecordingInfo, 'protocol' | 'person' | 'target' | 'startedAt'>;

type OpenedRecording = {
  readonly info: Recorded;
  readonly recordings: NonNullable<HttpDeps['recordings']>;
};

/**
 * Throws a 404 when there is none that the reader may see; with `live` a running session has one, though nothing of it may
 * be there yet. Each is a look, of one's own session too.
 */
export async function openRecording(
  { recordings, ...deps }: HttpDeps,
  reader: Reader,
  id: string,
  {
    statement,
    live = false,
  }: { readonly statement?: string | undefined; readonly live?: boolean } = {},
): Promise<OpenedRecording> {
  const session = await readSessionFacts(deps, reader, id);
  const info = (await recordings?.info(id)) ?? (live ? awaited(session) : undefined);
  if (!info || !recordings)
    throw new Problem(404, 'no-recording', 'Nothing was recorded of this session.');
  const looked = live ? 'live recording' : 'recording';
  const about = statement === undefined ? {} : { statement };
  await recordLook(deps, reader, { looked, ...about }, { session: id });
  return { info, recordings };
}

function awaited({ state, ...session }: SessionFacts): Recorded | undefined {
  const { protocol, person = '', target = '', startedAt } = session;
  if (state !== 'running' || protocol === undefined || startedAt === undefined) return undefined;
  return { protocol, person, target, startedAt: new Date(startedAt) };
}

/** Whether whoever waits for a recording need not wait any more: it is there, or never comes. */
export const recordingBegun = async (deps: HttpDeps, id: string): Promise<boolean> =>
  (await deps.recordings?.info(id)) !== undefined ||
  (await deps.sessions.get(id))?.state !== 'running';

const isTerminal = ({ protocol }: Recorded): boolean => protocol !== 'postgres';

/** Lines of the file that a recording is, outside of here. */
export async function* linesOf(
  info: Recorded,
  events: AsyncIterable<RecordingEvent>,
  statement?: string,
): AsyncGenerator<string> {
  const terminal = isTerminal(info) ? new Asciicast() : undefined;
  if (terminal) yield terminal.header(info);
  for await (const event of events) {
    if (statement !== undefined && event.k !== 'gap' && statementOf(event) !== statement) continue;
    const lines = terminal ? terminal.lines(event) : `${JSON.stringify(event)}\n`;
    if (lines !== '') yield lines;
  }
}

/** An empty line first: the answer begins with it, and whoever follows knows that it does. */
async function* atOnce(lines: AsyncIterable<string>): AsyncGenerator<string> {
  yield '\n';
  yield* lines;
}

/** Streams, so that neither a long recording nor one that goes on must be in memory. */
export function recordingRoute(deps: HttpDeps): Route {
  return {
    description,
    register(app, authenticate) {
      app.get('/sessions/:id/recording', async (request, reply) => {
        const caller = await authenticate(request, 'read');
        const { id } = parse(idParams, request.params, 'path');
        const { follow, statement } = parse(query, request.query, 'query');
        const { info, recordings } = await openRecording(deps, apiReader(caller), id, {
          statement,
          live: follow,
        });
        const gone = new AbortController();
        reply.raw.on('close', () => gone.abort());
        const still = async (): Promise<boolean> => {
          await readSessionFacts(deps, apiReader(await authenticate(request, 'read')), id);
          return true;
        };
        const events = follow
          ? watched(recordings, id, { still, begun: () => recordingBegun(deps, id) }, gone.signal)
          : recordings.readRecording(id);
        const lines = linesOf(info, events, statement);
        return reply.type(isTerminal(info) ? TERMINAL_TYPE : SQL_TYPE).send(
          Readable.from(follow && !isTerminal(info) ? atOnce(lines) : lines, {
            objectMode: true,
          }),
        );
      });
    },
  };
}
