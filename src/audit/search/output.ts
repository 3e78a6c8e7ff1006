import type { RecordingEvent, Recordings } from '../../recording/port.ts';
import type { Sql } from '../../store/database.ts';
import type { Entry } from './row.ts';

/** Of what one statement brought back, so much is searched. */
export const OUTPUT_MOST = 16_384;

/** Adds what the recordings of these records hold to the rows of the statements that it came back for; resolves with their ids. */
export async function addOutput(
  sql: Sql,
  entries: readonly Entry[],
  { recordings }: { readonly recordings?: Pick<Recordings, 'readChunk'> },
): Promise<readonly string[]> {
  if (!recordings) return [];
  const added: string[] = [];
  for (const { kind, session, body } of entries) {
    const chunk = body?.['chunk'];
    if (kind !== 'recording' || session === undefined || typeof chunk !== 'number') continue;
    // oxlint-disable-next-line no-await-in-loop -- in order
    const outputs = outputsOf(await recordings.readChunk(session, chunk));
    if (outputs.size === 0) continue;
    // oxlint-disable-next-line no-await-in-loop
    const { rows } = await sql.query<{ id: string }>({
      name: 'search-output',
      text: `update countersign.search_record s set output = left(concat_ws(chr(10), s.output, x.text), ${OUTPUT_MOST})
        from unnest($1::uuid[], $2::text[]) as x(statement, text)
        where s.statement = x.statement and length(coalesce(s.output, '')) < ${OUTPUT_MOST}
          and exists (select from countersign.search_facet f where f.id = s.facet and f.kind = 'statement') returning s.id`,
      values: [[...outputs.keys()], [...outputs.values()]],
    });
    added.push(...rows.map(({ id }) => id));
  }
  return added;
}

/** Cells, errors and notices as text, by statement. */
export function outputsOf(events: readonly RecordingEvent[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const event of events) {
    if (!('s' in event) || event.s === undefined) continue;
    const text = textOf(event);
    const before = found.get(event.s);
    if (text === '' || (before?.length ?? 0) >= OUTPUT_MOST) continue;
    const whole = before === undefined ? text : `${before}\n${text}`;
    found.set(event.s, whole.slice(0, OUTPUT_MOST).toWellFormed().replaceAll('\0', '\u{fffd}'));
  }
  return found;
}

function textOf(event: RecordingEvent): string {
  if (event.k === 'row')
    return event.cells.filter((cell) => cell !== null && cell !== '').join('\t');
  if (event.k === 'columns') return event.names.join('\t');
  if (event.k === 'error' || event.k === 'notice')
    return [event.code, event.message, event.detail, event.hint].filter(Boolean).join(' ');
  return '';
}
