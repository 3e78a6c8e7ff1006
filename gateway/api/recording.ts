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
import { readSessionFacts } from './session-view.ts';
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

/** Throws a 404 when there is none that the reader may see. Each is a look, of one's own session too. */
export async function openRecording(
  deps: HttpDeps,
  reader: Reader,
  id: string,
  about: { readonly statement?: string | undefined; readonly live?: boolean } = {},
): Promise<{
  readonly info: RecordingInfo;
  readonly recordings: NonNullable<HttpDeps['recordings']>;
}> {
  await readSessionFacts(deps, reader, id);
  const info = await deps.recordings?.info(id);
  if (!info || !deps.recordings)
    throw new Problem(404, 'no-recording', 'Nothing was recorded of this session.');
  const { statement, live } = about;
  await recordLook(
    deps,
    reader,
    {
      looked: live ? 'live recording' : 'recording',
      ...(statement !== undefined && { statement }),
    },
    { session: id },
  );
  return { info, recordings: deps.recordings };
}

/** Lines of the file that a recording is, outside of here. */
export async function* linesOf(
  info: RecordingInfo,
  events: AsyncIterable<RecordingEvent>,
  statement?: string,
): AsyncGenerator<string> {
  const terminal = info.protocol === 'postgres' ? undefined : new Asciicast();
  if (terminal) yield terminal.header(info);
  for await (const event of events) {
    if (statement !== undefined && event.k !== 'gap' && statementOf(event) !== statement) continue;
    const lines = terminal ? terminal.lines(event) : `${JSON.stringify(event)}\n`;
    if (lines !== '') yield lines;
  }
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
          ? watched(recordings, id, still, gone.signal)
          : recordings.readRecording(id);
        return reply
          .type(info.protocol === 'postgres' ? SQL_TYPE : TERMINAL_TYPE)
          .send(Readable.from(linesOf(info, events, statement), { objectMode: true }));
      });
    },
  };
}
