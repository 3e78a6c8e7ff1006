import { App } from '@slack/bolt';
import { z } from 'zod';
import type { Address, SlackConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { type AdapterParts, registerDesk } from './adapter.ts';
import { boltLogger, clientOptions } from './client.ts';
import { overHttp } from './http.ts';
import { openSeen } from '../seen.ts';
import type { Pictures } from './pictures.ts';
import type { Problems } from '../problems.ts';
import { overSocket } from './socket.ts';

const Sender = z.object({
  api_app_id: z.string(),
  team: z.object({ id: z.string() }).nullish(),
  team_id: z.string().optional(),
});

type AppParts = Omit<AdapterParts, 'known'> & {
  readonly db: Database;
  readonly problems: Problems;
  readonly pictures: Pictures;
};

export type SlackApp = { readonly address?: Address; close(): Promise<void> };

/**
 * Bolt, over HTTP or Socket Mode. Whichever way a call comes: sender and repetition are checked here, and an answer
 * comes after its handler is through, so a process that dies has not claimed to have handled a click.
 */
export async function startSlackApp(config: SlackConfig, parts: AppParts): Promise<SlackApp> {
  const { db, log, problems, pictures } = parts;
  const transport =
    config.mode === 'http' ? overHttp(config, log) : overSocket(config, { log, problems });
  const app = new App({
    receiver: transport.receiver,
    // Not `token`: Bolt would ask Slack who it is at once, and end the process when Slack says no.
    authorize: () => Promise.resolve({ botToken: config.botToken }),
    clientOptions: { ...clientOptions(config, log), retryConfig: { retries: 1 }, timeout: 2_500 },
    convoStore: false,
    logger: boltLogger(log),
  });
  app.error((error) => {
    log.error({ err: error }, 'a call from Slack failed');
    return Promise.reject(error);
  });
  const seen = openSeen(db, log);
  app.use(async ({ body, context, next, ...rest }) => {
    const sender = Sender.safeParse(body);
    const ack = 'ack' in rest ? rest.ack : undefined;
    if (!sender.success || !isExpected(config, sender.data)) {
      log.warn({}, 'a call from Slack came from an app or workspace that is not configured');
      await ack?.();
    } else if ((await seen.once(`slack ${String(context['seenKey'])}`, next)) === 'seen')
      await ack?.();
  });
  registerDesk(app, { ...parts, known: async (post) => ({ files: await pictures.of(post) }) });
  const address = await transport.start();
  return {
    ...(address && { address }),
    async close() {
      seen.close();
      await transport.close();
    },
  };
}

function isExpected(config: SlackConfig, sender: z.infer<typeof Sender>): boolean {
  const app = config.appId === undefined || config.appId === sender.api_app_id;
  return app && config.teams.includes(sender.team?.id ?? sender.team_id ?? '');
}
