import { Cleaner } from './clean.ts';
import type { RecordingEvent } from './port.ts';

/** Events as a chunk keeps them: cleaned, one JSON object a line. */
export function linesOf(events: readonly RecordingEvent[]): string {
  const cleaner = new Cleaner();
  let text = '';
  for (const event of events) text += `${JSON.stringify(cleaner.clean(event))}\n`;
  return text;
}

/** What `linesOf` wrote; it was sealed by a gateway, so it is as we write it. */
export function eventsOf(text: string): readonly RecordingEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): RecordingEvent => JSON.parse(line));
}
