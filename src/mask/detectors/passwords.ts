import { restOf } from './build.ts';
import { random } from './checksums.ts';
import { any, none, only, type Rule } from './rule.ts';
import { alnum } from './samples.ts';

/** What stands where a value would: parameters, variables, blanks to fill in, and what this product wrote there. */
const placeholder =
  /^(?:[$?%:@{<*#•]|\[[a-z ]+\]$|\*+$|x+$|\.+$|(?:null|none|nil|true|false|undefined|required|optional|string|text|varchar|redacted|hidden|masked)$)/i;

const name =
  '(?:passwor[dt]|passwd|passphrase|pwd|kennwort|mot[ _]de[ _]passe|contrase[nñ]a|senha|passcode)';
const secret =
  '(?:secret|token|credential|api[ _-]?key|access[ _-]?key|account[ _-]?key|secret[ _-]?key|private[ _-]?key|encryption[ _-]?key|signing[ _-]?key|auth[ _-]?key)';
const assigned = '["\'`\\]]{0,2}[ \\t]{0,3}(?:=>|:=|==|[:=])[ \\t]{0,3}';

/** A value without quotes after a blank may be a sentence that goes on: it needs more than letters. */
function written(text: string, start: number, end: number): ReturnType<typeof only> {
  const value = text.slice(start, end);
  const before = text[start - 1] ?? '';
  if (placeholder.test(value) || text[end] === '(') return none;
  if (before === ' ' || before === '\t')
    return value.length >= 6 &&
      /\d/.test(value) &&
      /[A-Za-z]/.test(value) &&
      !/^\w+\.\w+$/.test(value)
      ? only(start, end)
      : none;
  return only(start, end);
}

export const passwords: readonly Rule[] = [
  {
    id: 'url-password',
    kind: 'password',
    about: 'User and password in an address, `scheme://user:password@host`',
    literals: ['://'],
    pattern: '://([^\\s:/@]{0,80}:[^\\s@/]{1,200})@',
    before: 'anything',
    hits: [
      'postgres://app:hunter2@db/shop',
      'https://:secret@example.com',
      'redis://u:p%40w@10.0.0.1:6379/0',
    ],
    misses: [
      'https://example.com:8080/a',
      'https://ann@example.com/',
      'http://a/b:c@d',
      'postgres://[password]@db',
    ],
  },
  {
    id: 'password-value',
    kind: 'password',
    about:
      'What a password is set to or compared with: `password=…`, `"passwd": "…"`, in five languages',
    literals: any(
      'password|passwort|passwd|passphrase|pwd|kennwort|passcode|mot de passe|mot_de_passe|contrasena|contraseña|senha',
    ),
    pattern: `(?i)${name}[\\w.-]{0,20}${assigned}["'\`]?([^\\s"'\`,;&<>()\\[\\]|]{3,200})`,
    before: 'anything',
    reach: written,
    hits: [
      'password=hunter2',
      '"db_passwd": "Tr0ub4dor"',
      "pwd='abc'",
      'PASSWORD: s3cret9',
      'Pwd=Lp9#x;Database=a',
    ],
    misses: [
      'password: must be long',
      'where password = $1',
      'password=[password]',
      'password = md5(x)',
      'set password = u.password',
      'Password: ********',
      'password is null',
      'type=password name=a',
    ],
  },
  {
    id: 'password-sql',
    kind: 'password',
    about: "SQL's `PASSWORD '…'` and `IDENTIFIED BY '…'`",
    literals: ['password', 'identified by'],
    pattern: "(?i)(?:password|identified by)[ \\t\\r\\n]{1,10}E?'([^']{1,200})'",
    reach: (text, start, end) =>
      /^(?:\[[a-z ]+\]|[•*]+)$/.test(text.slice(start, end)) ? none : only(start, end),
    hits: ["alter role app password 'x1'", "create user a identified by 'tiger'"],
    misses: ['alter role app password null', "password '[password]'", "identified by ''"],
  },
  {
    id: 'password-option',
    kind: 'password',
    about: 'Option of a command, `--password …`, `--token …`',
    literals: [
      '--password',
      '--passwd',
      '--token',
      '--secret',
      '--api-key',
      '--apikey',
      '--client-secret',
    ],
    pattern:
      '(?i)--(?:password|passwd|token|secret|api-?key|client-secret)[ =]{1,3}["\']?([^\\s"\'-][^\\s"\']{3,200})',
    before: 'anything',
    reach: (text, start, end) =>
      placeholder.test(text.slice(start, end)) ? none : only(start, end),
    valid: (value) => /[^a-z]/.test(value),
    hits: ['mysql --password hunter2', 'cli --token=Ab3dEf9h'],
    misses: ['--password-file x', '--token $TOKEN', '--password prompts for it'],
  },
  {
    id: 'basic-auth',
    kind: 'password',
    about: 'HTTP basic authentication',
    literals: ['basic '],
    pattern: '(?i)basic {1,3}([A-Za-z0-9+/_-]{8,400}={0,2})',
    valid: (value) =>
      /^[\x20-\x7e]*:[\x20-\x7e]+$/.test(Buffer.from(value, 'base64').toString('latin1')),
    hits: [`Authorization: Basic ${Buffer.from('ann:hunter2').toString('base64')}`],
    misses: ['basic authentication', 'Basic training1'],
  },
  {
    id: 'bearer',
    kind: 'token',
    about: 'HTTP bearer token',
    literals: ['bearer '],
    pattern: '(?i)bearer {1,3}([A-Za-z0-9._~+/=-]{16})',
    reach: restOf(/[A-Za-z0-9._~+/=-]/, 4_000),
    valid: random,
    hits: [`Authorization: Bearer ${alnum(32)}`],
    misses: ['bearer of bad news', 'bearer authentication-required', 'Bearer [token]'],
  },
  {
    id: 'secret-value',
    kind: 'token',
    about: 'What a secret, token or key is set to, where it looks drawn at random',
    literals: any(
      'secret|token|credential|apikey|api key|api_key|api-key|accesskey|access_key|access-key|accountkey|account_key|private_key|privatekey|encryption_key|encryptionkey|signing_key|signingkey|auth_key|authkey|auth-key',
    ),
    pattern: `(?i)${secret}[\\w.-]{0,20}${assigned}["'\`]?([^\\s"'\`,;&<>()\\[\\]{}|]{12})`,
    before: 'anything',
    reach: (text, start, end) => {
      const whole = restOf(/[^\s"'`,;&<>()[\]{}|]/, 400)(text, start, end);
      return whole.filter(([, to]) => text[to] !== '(' && !placeholder.test(text.slice(start, to)));
    },
    valid: random,
    hits: [`client_secret=${alnum(24)}`, `"apiKey": "${alnum(32)}"`, `X-Auth-Token: ${alnum(20)}`],
    misses: [
      'token: 12345678901234',
      'secretName: my-app-credentials',
      'max_tokens = 128000',
      'tokens: ["a", "b"]',
    ],
  },
];
