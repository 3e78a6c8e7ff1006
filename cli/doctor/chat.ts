import { z } from 'zod';
import type { ChatConfig, SlackConfig, TeamsConfig } from '#src/config/config.ts';
import type { Database } from '#src/store/database.ts';
import { failed, type Check } from './check.ts';
import { askSlack } from './slack.ts';

type Channels = ChatConfig['channels'];

const info = z.object({
  ok: z.boolean(),
  error: z.string().optional(),
  channel: z
    .object({
      name: z.string().default(''),
      is_private: z.boolean().default(false),
      is_member: z.boolean().default(false),
      is_archived: z.boolean().default(false),
      is_ext_shared: z.boolean().default(false),
    })
    .optional(),
});
type Channel = NonNullable<z.infer<typeof info>['channel']>;

/** Each Slack channel of the configuration: it is there, the bot is in it, and it is as private as it should be. */
export async function checkSlackChannels(
  slack: SlackConfig,
  channels: Channels,
  fetcher: typeof fetch = fetch,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const [name, { slack: id, private: mustBePrivate }] of channels) {
    if (id === undefined) continue;
    const what = `Slack channel ${name}`;
    try {
      // oxlint-disable-next-line no-await-in-loop -- Slack counts calls
      const { answer } = await askSlack(slack, `conversations.info?channel=${id}`, slack.botToken, {
        fetcher,
        reply: info,
      });
      checks.push({ what, ...stateOf(answer, mustBePrivate === true) });
    } catch (error) {
      checks.push(failed(what, error, 'can this machine reach Slack?'));
    }
  }
  return checks;
}

const bad = (found: string, next: string): Omit<Check, 'what'> => ({ state: 'fail', found, next });

function stateOf(
  { ok, error, channel }: z.infer<typeof info>,
  mustBePrivate: boolean,
): Omit<Check, 'what'> {
  if (error === 'missing_scope')
    return bad(
      'the bot may not ask about it',
      'install the app again with manifest.yml: channels:read, groups:read',
    );
  if (!ok || !channel)
    return bad(
      `conversations.info says ${error ?? 'no'}`,
      'a private channel shows itself only to who is in it: invite the bot; else correct the id in chat.channels',
    );
  return problemOf(channel, mustBePrivate) ?? fine(channel);
}

function problemOf(channel: Channel, mustBePrivate: boolean): Omit<Check, 'what'> | undefined {
  const name = `#${channel.name}`;
  if (channel.is_archived)
    return bad(`${name} is archived`, 'unarchive it, or name another in chat.channels');
  if (!channel.is_member)
    return bad(`the bot is not in ${name}`, 'write /invite @countersign in the channel');
  if (channel.is_ext_shared)
    return bad(`${name} is shared with another organisation`, 'end the sharing, or name another');
  if (mustBePrivate && !channel.is_private)
    return bad(`${name} is public`, 'make it private, or take private out of chat.channels');
  return undefined;
}

const fine = ({ name, is_private: isPrivate }: Channel): Omit<Check, 'what'> => ({
  state: 'ok',
  found: isPrivate
    ? `#${name}, private, and the bot is in it`
    : `#${name}, public: everybody in the workspace reads its cards; the bot is in it`,
});

/** Whether Microsoft gives the app a token; with `localTest` there is nothing to ask. */
export async function checkTeams(
  teams: TeamsConfig,
  fetcher: typeof fetch = fetch,
): Promise<readonly Check[]> {
  const what = 'Teams';
  if ('localTest' in teams)
    return [
      {
        what,
        state: 'warn',
        found: 'a local test: whoever calls is believed',
        next: 'set chat.teams.appId and appPassword before anybody relies on it',
      },
    ];
  const tenant = teams.appType === 'SingleTenant' ? teams.tenants[0] : 'botframework.com';
  try {
    const response = await fetcher(
      `https://login.microsoftonline.com/${tenant ?? ''}/oauth2/v2.0/token`,
      {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: teams.appId,
          client_secret: teams.appPassword,
          scope: 'https://api.botframework.com/.default',
        }),
        signal: AbortSignal.timeout(10_000),
      },
    );
    if (response.ok) return [{ what, state: 'ok', found: 'the app id and password are good' }];
    const said = z.object({ error: z.string() }).safeParse(await response.json());
    return [
      {
        what,
        state: 'fail',
        found: `Microsoft says ${said.success ? said.data.error : response.status}`,
        next: 'make a new client secret at the app in Entra, and set chat.teams.appPassword',
      },
    ];
  } catch (error) {
    return [failed(what, error, 'can this machine reach login.microsoftonline.com?')];
  }
}

const NOBODY = { people: '0', accounts: '0' };
const LINK =
  'nobody can decide there yet: each does something with the bot once, and opens the link that it gives';

/** Who is linked, and for Teams whether the bot was ever heard of in its channels. */
export async function checkChatStore(
  db: Pick<Database, 'pool'>,
  { channels, slack, teams }: ChatConfig,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const { rows } = await db.pool.query<{ platform: string; people: string; accounts: string }>(
    `select platform, count(distinct person)::text as people, count(*)::text as accounts
     from countersign.chat_account group by platform`,
  );
  const linked = (name: string, platform: 'slack' | 'teams', matches: boolean): Check => {
    const { people, accounts } = rows.find((row) => row.platform === platform) ?? NOBODY;
    const none = people === '0' && !matches;
    return {
      what: `people in ${name}`,
      state: none ? 'warn' : 'ok',
      found: `${people} linked, with ${accounts} accounts`,
      ...(none && { next: LINK }),
    };
  };
  if (slack) checks.push(linked('Slack', 'slack', slack.matchEmail.length > 0));
  if (teams) checks.push(linked('Teams', 'teams', false));
  if (teams) checks.push(...(await checkPlaces(db, channels)));
  return checks;
}

async function checkPlaces(
  db: Pick<Database, 'pool'>,
  channels: Channels,
): Promise<readonly Check[]> {
  const { rows } = await db.pool.query<{ conversation: string }>(
    'select conversation from countersign.teams_place where person is null',
  );
  return [...channels].flatMap(([name, { teams: id }]): readonly Check[] => {
    if (id === undefined) return [];
    const what = `Teams channel ${name}`;
    if (rows.some(({ conversation }) => conversation === id))
      return [{ what, state: 'ok', found: 'the bot was heard of there' }];
    const next = 'add the app to that team or chat; when it is there, mention the bot in it once';
    return [{ what, state: 'warn', found: 'the bot was never heard of there', next }];
  });
}
