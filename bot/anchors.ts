import { setTimeout as sleep } from 'node:timers/promises';
import { startAnchors, type Anchor } from '#src/audit/tree/anchors.ts';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { parseNote } from '#src/audit/tree/note.ts';
import type { AnchorConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import type { Post } from './model.ts';
import type { Say } from './say.ts';

export type ChatAnchorParts = {
  readonly db: Database;
  readonly anchors: readonly AnchorConfig[];
  readonly publicUrl: string;
  readonly onError: (error: Error) => void;
  /** Undefined where there is no chat. */
  readonly say: Pick<Say, 'say'> | undefined;
  /** How long a platform may take; default 30 s. */
  readonly patienceMs?: number;
};

const PATIENCE_MS = 30_000;
const LOOK_MS = 100;

/** Posts checkpoints to the channels that are anchors; returns what stops it. */
export function startChatAnchors(parts: ChatAnchorParts): { close(): Promise<void> } {
  const { db, anchors, onError } = parts;
  const stopping = new AbortController();
  const chat = anchors.flatMap((one) =>
    one.type === 'chat' ? [chatAnchor(one, parts, stopping.signal)] : [],
  );
  const running = startAnchors({ db, anchors: chat, onError });
  return {
    async close() {
      stopping.abort();
      await running.close();
    },
  };
}

function chatAnchor(
  { name, everyMs, channel }: AnchorConfig & { readonly type: 'chat' },
  { db, say, publicUrl, patienceMs = PATIENCE_MS }: ChatAnchorParts,
  signal: AbortSignal,
): Anchor {
  return {
    place: name,
    everyMs,
    async lay(note) {
      if (!say) throw new Error('no chat is configured: name chat.slack or chat.teams');
      const { size, root } = parseCheckpoint(parseNote(note).text);
      const key = `checkpoint:${name}:${size}`;
      const post = checkpointPost({ size, root: root.toString('base64'), note }, publicUrl);
      if (!(await say.say({ key, to: { channel }, post })))
        throw new Error(
          `chat.channels.${channel} is on no platform that is configured: give it one`,
        );
      return await standing(db, key, { channel, patienceMs, signal });
    },
  };
}

type Row = {
  readonly channel: string;
  readonly message: string | null;
  readonly given_up: string | null;
};

/** Where it stands, on each platform. Rejects with what to do when one refuses it, or is too slow. */
async function standing(
  { pool }: Pick<Database, 'pool'>,
  key: string,
  {
    channel,
    patienceMs,
    signal,
  }: {
    readonly channel: string;
    readonly patienceMs: number;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const until = performance.now() + patienceMs;
  for (;;) {
    // oxlint-disable no-await-in-loop -- until it stands there
    const { rows } = await pool.query<Row>(
      'select channel, message, given_up from countersign.chat_message where key = $1 order by platform',
      [key],
    );
    const refused = rows.find(({ given_up }) => given_up !== null)?.given_up;
    if (refused !== undefined && refused !== null) {
      // It is said anew at the next try.
      await pool.query('delete from countersign.chat_message where key = $1', [key]);
      throw new Error(
        `chat refused the checkpoint (${refused}): see that the bot is in the channel ${channel}`,
      );
    }
    if (rows.length > 0 && rows.every(({ message }) => message !== null))
      return rows.map((row) => `${row.channel}/${row.message}`).join(' ');
    if (performance.now() > until) {
      // The next try has a newer one: a channel that opens again is not flooded with those that it missed.
      await pool.query('delete from countersign.chat_message where key = $1 and message is null', [
        key,
      ]);
      throw new Error(
        `chat has not taken the checkpoint in ${patienceMs / 1_000} s: see that the bot is in the channel ${channel}, and that it is not archived`,
      );
    }
    await sleep(LOOK_MS, undefined, { signal });
    // oxlint-enable no-await-in-loop
  }
}

/** A checkpoint as it is told in chat. `root` is base64; `note` is all that is needed to verify it. */
export type PostedCheckpoint = {
  readonly size: number;
  readonly root: string;
  readonly note: string;
};

/** The whole signed note is in it: whoever has the message can verify the log against it. */
export function checkpointPost({ size, root, note }: PostedCheckpoint, publicUrl: string): Post {
  const count = size.toLocaleString('en');
  return {
    summary: `Checkpoint of the audit log: ${count} records, root ${root}`,
    parts: [
      {
        kind: 'text',
        line: [
          { text: 'Checkpoint of the audit log', style: 'bold' },
          ` · ${count} records up to now · root `,
          { text: root, style: 'code' },
        ],
      },
      { kind: 'code', text: note },
      {
        kind: 'note',
        line: [
          'Paste it at ',
          { text: 'Verify', link: `${publicUrl}/verify` },
          ', or give it to countersign audit anchors --checkpoint -: a log that was changed since does not fit it.',
        ],
      },
    ],
  };
}
