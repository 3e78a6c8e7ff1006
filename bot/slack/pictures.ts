import { createHash } from 'node:crypto';
import type { webApi } from '@slack/bolt';
import type { BotLog } from '../log.ts';
import type { Post } from '../model.ts';
import { platformError } from './client.ts';

const MOST = 200;
/** Slack looks at a new file for a moment, and refuses messages that show it until then. */
const LOOK_MS = 30_000;
const UPLOAD_MS = 10_000;

type Upload = { readonly at: number; readonly id: Promise<string | undefined> };

/** Ids of Slack's files by the picture's base64; a picture that is not there is told in words. */
export type Files = ReadonlyMap<string, string>;

export type Pictures = {
  /** The files of this post's pictures, uploaded when they are not there yet. Rejects when Slack cannot be reached. */
  of(post: Post): Promise<Files>;
  /** Slack would not show a picture of this post. `later`: it may, in a moment; otherwise it is told in words from now on. */
  refused(post: Post): 'later' | 'never';
};

/** Pictures that are uploaded once, and seen only in the messages that show them: a file is shared with nobody. */
export function openPictures(client: webApi.WebClient, log: BotLog): Pictures {
  const uploads = new Map<string, Upload>();

  const upload = async (png: string): Promise<string | undefined> => {
    const bytes = Buffer.from(png, 'base64');
    try {
      const { upload_url: url = '', file_id: id = '' } = await client.files.getUploadURLExternal({
        filename: 'chart.png',
        length: bytes.length,
      });
      const signal = AbortSignal.timeout(UPLOAD_MS);
      const taken = await fetch(url, { method: 'POST', body: bytes, signal });
      if (!taken.ok) throw new Error(`Slack did not take a picture (HTTP ${taken.status})`);
      await client.files.completeUploadExternal({ files: [{ id, title: 'Chart' }] });
      return id;
    } catch (error) {
      if (platformError(error) !== 'missing_scope') throw error;
      log.warn(
        {},
        'the Slack app lacks files:write: pictures are told in words; see docs/slack.md',
      );
      return undefined;
    }
  };

  const fileOf = (png: string): Promise<string | undefined> => {
    const key = keyOf(png);
    const known = uploads.get(key);
    if (known) return known.id;
    const id = upload(png);
    const made = { at: performance.now(), id };
    uploads.set(key, made);
    id.catch(() => {
      if (uploads.get(key) === made) uploads.delete(key);
    });
    const [oldest] = uploads.keys();
    if (uploads.size > MOST && oldest !== undefined) uploads.delete(oldest);
    return id;
  };

  return {
    async of({ parts }) {
      const files = new Map<string, string>();
      for (const part of parts) {
        // oxlint-disable-next-line no-await-in-loop -- one or two, mostly known
        const id = part.kind === 'image' ? await fileOf(part.png) : undefined;
        if (part.kind === 'image' && id !== undefined) files.set(part.png, id);
      }
      return files;
    },
    refused({ parts }) {
      const keys = parts.flatMap((part) => (part.kind === 'image' ? [keyOf(part.png)] : []));
      const isNew = (key: string) => performance.now() - (uploads.get(key)?.at ?? 0) < LOOK_MS;
      if (keys.every(isNew)) return 'later';
      const none = { at: performance.now() - LOOK_MS, id: Promise.resolve(undefined) };
      for (const key of keys) uploads.set(key, none);
      return 'never';
    },
  };
}

const keyOf = (png: string): string => createHash('sha256').update(png).digest('base64');
