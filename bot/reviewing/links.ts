import type { Post } from '../model.ts';
import type { Outline, ReviewingOffice } from '../office.ts';
import { minute } from './summary.ts';

const PATH = /^\/(record|request|session|grant)s\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const WINDOW_MS = 60_000;
/** So many links a minute; the others are left as they were written. */
const MOST = 60;

/**
 * What stands under a link to us, for everybody in the channel: which record it is, when, and how it was decided. Never who,
 * where or what. A link to anywhere else, to no such thing, or beyond the limit says nothing.
 */
export function unfurling(
  office: Pick<ReviewingOffice, 'outline'>,
  publicUrl: string,
  now: () => number = Date.now,
): (url: URL) => Promise<Post | undefined> {
  const ours = new URL(publicUrl);
  const prefix = ours.pathname.replace(/\/$/, '');
  let window = { since: -Infinity, count: 0 };
  const isOver = (): boolean => {
    if (now() - window.since >= WINDOW_MS) window = { since: now(), count: 0 };
    window.count += 1;
    return window.count > MOST;
  };
  return async (url) => {
    if (url.origin !== ours.origin || url.username !== '' || url.password !== '') return undefined;
    if (!url.pathname.startsWith(`${prefix}/`)) return undefined;
    const [, kind, id] = PATH.exec(url.pathname.slice(prefix.length)) ?? [];
    if (!isKind(kind) || id === undefined || isOver()) return undefined;
    const outline = await office.outline(kind, id);
    return outline && outlinePost(outline);
  };
}

const isKind = (kind: string | undefined): kind is Outline['kind'] =>
  kind === 'record' || kind === 'request' || kind === 'session' || kind === 'grant';

function outlinePost({ kind, id, at, state }: Outline): Post {
  const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)} ${id}`;
  return {
    summary: title,
    parts: [
      {
        kind: 'text',
        line: [
          { text: title, style: 'bold' },
          ` · ${state}`,
          ...(at === undefined ? [] : [' · ', { text: minute(at), at }]),
        ],
      },
    ],
  };
}
