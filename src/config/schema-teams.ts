import { z } from 'zod';
import { address, key, secret } from './keys.ts';

const guid = z.guid('an id of Microsoft Entra looks like 11111111-2222-3333-4444-555555555555');
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;
const serviceUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  if (!url || url.username !== '' || url.search !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
}, 'write https://host/path');

/** Where Teams takes what bots say: worldwide, and for tenants in the Government Community Cloud. */
const MICROSOFT = [
  'https://smba.trafficmanager.net/teams/',
  'https://smba.trafficmanager.net/',
  'https://smba.infra.gcc.teams.microsoft.com/',
];

export const teams = z.strictObject({
  appId: key(
    guid.optional(),
    "The bot's id (Microsoft App ID). Without it the gateway does not start, unless `localTest` is set.",
    '11111111-2222-3333-4444-555555555555',
  ),
  appPassword: key(
    secret.optional(),
    'Secret: a client secret of the app.',
    '${env:TEAMS_APP_PASSWORD}',
  ),
  appType: key(
    z.enum(['SingleTenant', 'MultiTenant']).default('SingleTenant'),
    'How the app is registered; `SingleTenant`: in the first of `tenants`. Azure makes no new multi-tenant bots.',
    'SingleTenant',
  ),
  tenants: key(
    z.array(guid).min(1),
    'Tenants whose members may use it; whatever comes from another is refused.',
    ['22222222-3333-4444-5555-666666666666'],
  ),
  listen: key(address, 'Where Teams reaches the bot, behind your HTTPS proxy.', '127.0.0.1:3978'),
  serviceUrls: key(
    z.array(serviceUrl).min(1).default(MICROSOFT),
    "Addresses below which the bot talks to Teams; nothing is sent elsewhere. The first is used for whoever was never heard of. Default: Microsoft's.",
    ['https://smba.trafficmanager.net/teams/'],
  ),
  localTest: key(
    z.literal(true).optional(),
    'For trying it out with the Microsoft 365 Agents Playground on this machine: whoever calls is believed. Only without `appId`, and only on a loopback address.',
    true,
  ),
});
