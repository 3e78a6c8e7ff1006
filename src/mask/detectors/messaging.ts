import { around, guarded, named, token } from './build.ts';
import type { Rule } from './rule.ts';
import { alnum, hex, upper } from './samples.ts';

const b64Digits = Array.from('AEIMQUYcgk');

/** Chat, mail and messages. */
export const messaging: readonly Rule[] = [
  token({
    id: 'slack',
    about: 'Slack bot, user, app, refresh or configuration token',
    literals: [
      'xoxa-',
      'xoxb-',
      'xoxc-',
      'xoxd-',
      'xoxe-',
      'xoxe.',
      'xoxo-',
      'xoxp-',
      'xoxr-',
      'xoxs-',
      'xapp-',
    ],
    pattern: '(?:xox[abcdeoprs][-.]|xapp-)[A-Za-z0-9_.%-]{10,255}',
    hits: [
      `xoxb-123456789012-${alnum(24)}`,
      `xapp-1-A012-${alnum(40)}`,
      `xoxe.xoxp-1-${alnum(60)}`,
    ],
    misses: ['xoxb-', 'xapp-1'],
  }),
  token({
    id: 'slack-webhook',
    about: 'Address of a Slack webhook',
    literals: ['hooks.slack.com/'],
    pattern: 'hooks\\.slack\\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/+-]{20,100}',
    hits: [`https://hooks.slack.com/services/T0${upper(9)}/B0${upper(9)}/${alnum(24)}`],
    misses: ['https://hooks.slack.com/services/', 'https://api.slack.com/apps'],
  }),
  token({
    id: 'teams-webhook',
    about: 'Address of a Microsoft Teams webhook',
    literals: ['webhook.office.com/webhookb'],
    pattern: 'webhook\\.office\\.com/webhookb[0-9]/[A-Za-z0-9@/-]{60,300}',
    hits: [
      `https://a.webhook.office.com/webhookb2/${hex(36)}@${hex(36)}/IncomingWebhook/${hex(32)}`,
    ],
    misses: ['https://a.webhook.office.com/webhookb2/x'],
  }),
  token({
    id: 'discord-webhook',
    before: 'anything',
    about: 'Address of a Discord webhook',
    literals: ['/api/webhooks/'],
    pattern: '/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{50,90}',
    hits: [`https://discord.com/api/webhooks/123456789012345678/${alnum(68)}`],
    misses: ['/api/webhooks/12/x'],
  }),
  guarded({
    id: 'discord-bot',
    about: 'Discord bot token',
    literals: ['MD', 'MT', 'Mj', 'Mz', 'ND', 'NT', 'Nj', 'Nz', 'OD', 'OT'].flatMap((two) =>
      b64Digits.map((third) => two + third),
    ),
    pattern:
      '[MNO][DTjz][AEIMQUYcgk][A-Za-z0-9_-]{20,25}\\.[A-Za-z0-9_-]{6,7}\\.[A-Za-z0-9_-]{27,45}\\b',
    hits: [`MTA${alnum(21)}.${alnum(6)}.${alnum(38)}`],
    misses: ['MTA.b.c', `MTA${alnum(21)}.${alnum(6)}`],
  }),
  {
    ...token({
      id: 'telegram',
      about: 'Telegram bot token',
      literals: ['00000000:AA'],
      pattern: '[0-9]{8}:AA[A-Za-z0-9_-]{33}\\b',
      hits: [`1234567890:AA${alnum(33)}`, `bot12345678:AA${alnum(33)}/getMe`],
      misses: ['12345678:AAA', `1234567:AA${alnum(33)}`],
    }),
    before: 'anything',
    reach: (text, start, end) => {
      const digits = /\d{0,4}$/.exec(text.slice(Math.max(0, start - 4), start))?.[0].length ?? 0;
      return digits > 2 ? [] : [[start - digits, end]];
    },
  },
  guarded({
    id: 'twilio',
    about: 'Twilio API key',
    literals: ['SK'],
    pattern: 'SK[0-9a-f]{32}\\b',
    hits: [`SK${hex(32)}`],
    misses: [`SK${hex(20)}`, `sk${hex(32)}`, 'SKU 1234'],
  }),
  named({
    id: 'twilio-auth',
    about: 'Twilio auth token, after its name',
    literals: ['twilio'],
    name: 'twilio',
    value: '[0-9a-f]{32}',
    hits: [`TWILIO_AUTH_TOKEN=${hex(32)}`],
    misses: ['twilio: sms', `TWILIO_ACCOUNT=AC${hex(32)}`],
  }),
  token({
    id: 'sendgrid',
    about: 'SendGrid API key',
    literals: ['SG.'],
    pattern: 'SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{16,64}',
    hits: [`SG.${alnum(22)}.${alnum(43)}`],
    misses: ['SG.x.y', 'MSG.hello'],
  }),
  guarded({
    id: 'mailgun',
    about: 'Mailgun private key or signing key',
    literals: ['key-', 'pubkey-'],
    pattern: '(?:pub)?key-[0-9a-f]{32}\\b',
    hits: [`key-${hex(32)}`],
    misses: ['key-value', `key-${hex(20)}`, `monkey-${hex(32)}`],
  }),
  around({
    id: 'mailchimp',
    about: 'Mailchimp API key',
    literals: ['-us0'],
    pattern: '-us[0-9]{1,2}\\b',
    head: /(?:^|[^0-9A-Za-z])([0-9a-f]{32})$/,
    most: 32,
    hits: [`${hex(32)}-us12`],
    misses: ['contact-us2', `${hex(20)}-us1`],
  }),
  token({
    id: 'brevo',
    about: 'Brevo (Sendinblue) key',
    literals: ['xkeysib-', 'xsmtpsib-'],
    pattern: 'x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}',
    hits: [`xkeysib-${hex(64)}-${alnum(16)}`],
    misses: ['xkeysib-x'],
  }),
  token({
    id: 'firebase',
    before: 'anything',
    about: 'Firebase cloud messaging server key',
    literals: [':APA00b'],
    pattern: ':APA91b[A-Za-z0-9_-]{80,200}',
    hits: [`AAAA${alnum(7)}:APA91b${alnum(134)}`],
    misses: [':APA91bshort'],
  }),
];
