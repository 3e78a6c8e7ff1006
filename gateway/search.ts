import { openIncidents } from '#src/audit/incident-entries.ts';
import { startProjection } from '#src/audit/search/project.ts';
import { openSearch } from '#src/audit/search/search.ts';
import { openViews } from '#src/audit/search/views.ts';
import type { Recordings } from '#src/recording/port.ts';
import type { HttpDeps } from './api/deps.ts';
import { scopeOf } from './api/searching.ts';
import type { Core } from './core.ts';

/** Projects the log for searching, tells channels of what matches views, and answers searches. */
export function openSearching(
  { db, audit, directory, reload, onError }: Core,
  recordings: Pick<Recordings, 'readChunk'> | undefined,
  opened: AsyncDisposableStack,
): Pick<HttpDeps, 'search' | 'views' | 'channels' | 'incidents'> {
  opened.adopt(
    startProjection({
      db,
      onError,
      ...(recordings && { recordings }),
      scopeOf: async (owner) => {
        const person = await directory.find(owner);
        return person && scopeOf(person);
      },
    }),
    (running) => running.close(),
  );
  const search = opened.adopt(openSearch(db.url, onError), (open) => open.close());
  return {
    search,
    views: openViews(db, audit),
    incidents: openIncidents(db),
    channels: () => [...reload.config.chat.channels.keys()],
  };
}
