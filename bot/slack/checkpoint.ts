import type { types, webApi } from '@slack/bolt';
import type { PostedCheckpoint } from '../anchors.ts';
import { platformError } from './client.ts';

/** Posts a checkpoint. Resolves with `channel/ts`; rejects with what to do when Slack refuses it. */
export async function postCheckpoint(
  client: webApi.WebClient,
  channel: string,
  checkpoint: PostedCheckpoint,
  publicUrl: string,
): Promise<string> {
  const message = checkpointMessage(checkpoint, publicUrl);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
  const posting = client.chat.postMessage({
    channel,
    ...message,
    unfurl_links: false,
    unfurl_media: false,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- Slack's method, not a window's
  });
  const { ts } = await posting.catch((cause: unknown) => {
    const said = platformError(cause);
    if (said === undefined) throw cause;
    throw new Error(
      `Slack refused the checkpoint (${said}): see that the bot is in the channel ${channel}`,
      { cause },
    );
  });
  return `${channel}/${ts ?? ''}`;
}

/** The whole signed note is in it: whoever has the message can verify the log against it. */
export function checkpointMessage(
  { origin, size, root, note }: PostedCheckpoint,
  publicUrl: string,
): { text: string; blocks: types.KnownBlock[] } {
  const count = size.toLocaleString('en');
  const link = `${publicUrl}/verify`;
  return {
    text: `Checkpoint of the audit log ${origin}: ${count} records, root ${root}`,
    blocks: [
      {
        type: 'section',
        text: {
          type: 'mrkdwn',
          text: `*Checkpoint of the audit log*\n${count} records up to now · root \`${root}\``,
        },
      },
      {
        type: 'rich_text',
        elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text: note }] }],
      },
      {
        type: 'context',
        elements: [
          {
            type: 'mrkdwn',
            text: `Paste it at <${link}|Verify>, or give it to \`countersign audit anchors --checkpoint -\`: a log that was changed since does not fit it.`,
          },
        ],
      },
    ],
  };
}
