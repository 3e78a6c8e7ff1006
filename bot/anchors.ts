import { startAnchors, type Anchor } from '#src/audit/tree/anchors.ts';
import { parseCheckpoint } from '#src/audit/tree/checkpoint.ts';
import { parseNote } from '#src/audit/tree/note.ts';
import type { AnchorConfig, Config } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';

export type ChatAnchorParts = {
  readonly db: Database;
  readonly anchors: readonly AnchorConfig[];
  readonly channels: () => Config['chat']['channels'];
  readonly onError: (error: Error) => void;
  /** Posts a checkpoint; resolves with where the message is. */
  readonly post: (channel: string, checkpoint: PostedCheckpoint) => Promise<string>;
};

/** A checkpoint as it is told in chat. `note` is all that is needed to verify it. */
export type PostedCheckpoint = {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  readonly note: string;
};

/** Posts checkpoints to the channels that are anchors; returns what stops it. */
export function startChatAnchors(parts: ChatAnchorParts): { close(): Promise<void> } {
  const { db, anchors, onError } = parts;
  const chat = anchors.flatMap((one) => (one.type === 'chat' ? [chatAnchor(one, parts)] : []));
  return startAnchors({ db, anchors: chat, onError });
}

function chatAnchor(
  { name, everyMs, channel }: AnchorConfig & { readonly type: 'chat' },
  { channels, post }: ChatAnchorParts,
): Anchor {
  return {
    place: name,
    everyMs,
    async lay(note) {
      const id = channels().get(channel)?.slack;
      if (id === undefined)
        throw new Error(`chat.channels.${channel} has no Slack channel: give it one`);
      const { origin, size, root } = parseCheckpoint(parseNote(note).text);
      return post(id, { origin, size, root: root.toString('base64'), note });
    },
  };
}
