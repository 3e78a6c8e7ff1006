import { createHash } from 'node:crypto';
import type { Requests } from '#src/approval/port.ts';
import type { TeamsConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import type { Place } from '../desk.ts';
import type { BotLog } from '../log.ts';
import type { Post } from '../model.ts';
import { cardFor } from '../requests/cards.ts';
import { openSeen } from '../seen.ts';
import type { Side } from '../side.ts';
import type { Activity } from './activity.ts';
import { teamsAdapter } from './adapter.ts';
import { openConnector } from './connector.ts';
import { openForms } from './forms.ts';
import { type Framework, openFramework } from './framework.ts';
import { type Call, listenForTeams } from './http.ts';
import { openPlaces } from './places.ts';
import { type TeamsPlatform, teamsPlatform } from './platform.ts';
import { noteReply, type Reply } from './replies.ts';
import { teamsUsers } from './users.ts';

export type TeamsParts = {
  readonly db: Database;
  readonly log: BotLog;
  readonly requests: Pick<Requests, 'get'>;
  readonly publicUrl: string;
  /** For tests: other keys than Microsoft's. */
  readonly framework?: Framework;
};

const NO_TOKEN =
  'Teams refuses the bot’s token, or Microsoft gives it none: look at chat.teams.appId, appPassword (has the secret expired?) and appType, and restart; until then requests are decided in the console';

export async function openTeams(config: TeamsConfig, parts: TeamsParts): Promise<Side> {
  const { db, log } = parts;
  if ('localTest' in config)
    log.warn(
      { listen: `${config.listen.host}:${config.listen.port}` },
      'chat.teams.localTest: whoever on this machine calls the bot is believed to be Teams; never do this where decisions matter',
    );
  const framework = parts.framework ?? (await openFramework(config));
  let refused = false;
  const connector = openConnector(framework, config.serviceUrls, (taken) => {
    if (taken !== refused) return;
    refused = !taken;
    if (refused) log.error({}, NO_TOKEN);
    else log.info({}, 'Teams takes the bot’s token again');
  });
  const places = openPlaces(db);
  const platform = teamsPlatform({ config, connector, places });
  return {
    platform,
    problem: () => (refused ? NO_TOKEN : undefined),
    users: teamsUsers({ connector, places, tenants: config.tenants }),
    async listen(desk, people) {
      const seen = openSeen(db, log);
      const act = teamsAdapter({
        ...parts,
        desk,
        people,
        platform,
        forms: openForms(db),
        current: (place) => currentOf(parts, platform, place),
      });
      const handle = async ({ activity, tenant }: Call): Promise<Reply> => {
        let reply: Reply = noteReply('This was handled already.');
        await seen.once(keyOf(activity), async () => {
          if (isGone(activity)) await places.left(tenant, activity.conversation.id);
          else await places.met(tenant, activity);
          reply = await act(activity, tenant);
        });
        return activity.type === 'invoke' ? reply : undefined;
      };
      const server = await listenForTeams({ config, framework, log, handle });
      return {
        address: server.address,
        async close() {
          seen.close();
          await server.close();
        },
      };
    },
  };
}

/** An activity's id is Teams' own, within its conversation; what has none is told apart by all that it says. */
function keyOf(activity: Activity): string {
  const { id, conversation, type, name } = activity;
  const own = id ?? createHash('sha256').update(JSON.stringify(activity)).digest('hex');
  return `teams ${type} ${name ?? ''} ${conversation.id} ${own}`;
}

/** The bot was taken out of this conversation. */
const isGone = ({ type, action, membersRemoved = [], recipient }: Activity): boolean =>
  (type === 'installationUpdate' && action?.startsWith('remove') === true) ||
  (type === 'conversationUpdate' && membersRemoved.some(({ id }) => id === recipient.id));

/** What the message that somebody clicked says now: the card of a request, or something said. */
async function currentOf(
  { db, requests, publicUrl }: TeamsParts,
  platform: TeamsPlatform,
  { channel, message }: Place,
): Promise<Post | undefined> {
  const { rows } = await db.pool.query<{ request: string | null; post: Post | null }>(
    `select request, null as post from countersign.post where platform = 'teams' and channel = $1 and ts = $2
     union all select null, post from countersign.chat_message where platform = 'teams' and channel = $1 and message = $2`,
    [channel ?? '', message ?? ''],
  );
  const [row] = rows;
  if (row?.post) return row.post;
  const request = row?.request ? await requests.get(row.request) : undefined;
  return request && cardFor(request, publicUrl, platform);
}
