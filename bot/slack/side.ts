import type { ChatConfig, SlackConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import type { BotLog } from '../log.ts';
import type { Side } from '../side.ts';
import { startSlackApp } from './app.ts';
import { watchChannels } from './channels.ts';
import { postingClient } from './client.ts';
import { slackUsers } from './people.ts';
import { openPictures } from './pictures.ts';
import { slackPlatform } from './platform.ts';
import type { Problems } from '../problems.ts';
import { watchToken } from './token.ts';

export type SlackParts = {
  readonly db: Database;
  readonly log: BotLog;
  readonly publicUrl: string;
  readonly problems: Problems;
  /** As configured at this moment. */
  readonly channels: () => ChatConfig['channels'];
};

/** Slack: one client sends, and another answers people in time. */
export function openSlack(config: SlackConfig, parts: SlackParts): Side {
  const { log, problems } = parts;
  const client = postingClient(config, log);
  const pictures = openPictures(client, log);
  const token = watchToken(client, problems);
  const channels = watchChannels({ client, problems, configured: parts.channels });
  return {
    platform: slackPlatform(client, pictures, channels, config.usergroups),
    users: slackUsers(client, config),
    listen: (desk, people) =>
      startSlackApp(config, {
        ...parts,
        desk,
        people,
        pictures,
        changes: { tokens: () => token.check(), channel: (id) => channels.changed(id) },
      }),
    doubt: (error) => token.doubt(error),
    close() {
      token.close();
      channels.close();
    },
  };
}
