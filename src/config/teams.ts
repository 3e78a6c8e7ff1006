import type { TeamsConfig } from './config.ts';
import { at, type ConfigProblem } from './node.ts';
import type { File } from './schema.ts';
import { toAddress } from './sure.ts';
import { parseAddress } from './units.ts';

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

export async function buildTeams(
  teams: NonNullable<File['chat']['teams']>,
  secretAt: (path: string, text: string) => Promise<string>,
): Promise<TeamsConfig> {
  const { serviceUrls, appId, appType, appPassword } = teams;
  const tenants = teams.tenants.map((id) => id.toLowerCase());
  const common = { tenants, serviceUrls, listen: toAddress(teams.listen) };
  if (appId === undefined || appPassword === undefined) return { ...common, localTest: true };
  return {
    ...common,
    appId: appId.toLowerCase(),
    appType,
    appPassword: await secretAt('chat.teams.appPassword', appPassword),
  };
}

/** A bot without an id believes whoever calls it: that is only for this machine, and only when it is asked for. */
export function checkTeams(raw: unknown): ConfigProblem[] {
  const teams = at(raw, 'chat', 'teams');
  if (typeof teams !== 'object' || teams === null) return [];
  const has = (name: string): boolean => at(teams, name) !== undefined;
  if (has('localTest')) return [...checkLocalTest(at(teams, 'listen')), ...checkNoApp(has)];
  return ['appId', 'appPassword']
    .filter((name) => !has(name))
    .map((name) => ({
      path: `chat.teams.${name}`,
      message:
        'is missing: without it anybody could speak for Teams. Take it from the bot in Azure (docs/teams.md); for a try on this machine write localTest: true',
    }));
}

function checkLocalTest(listen: unknown): ConfigProblem[] {
  const host = typeof listen === 'string' ? parseAddress(listen)?.host : undefined;
  if (host === undefined || LOOPBACK.includes(host)) return [];
  const message = 'is reached by others, and localTest believes whoever calls: listen on 127.0.0.1';
  return [{ path: 'chat.teams.listen', message }];
}

function checkNoApp(has: (name: string) => boolean): ConfigProblem[] {
  if (!has('appId') && !has('appPassword')) return [];
  const message = 'goes with no appId and no appPassword: remove them, or remove localTest';
  return [{ path: 'chat.teams.localTest', message }];
}
