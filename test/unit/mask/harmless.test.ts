import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { maskDetected } from '#src/mask/detect.ts';

/** The same bytes for the same words, each time. */
const digest = (algorithm: string, index: number): Buffer =>
  createHash(algorithm).update(`harmless ${index}`).digest();
const many = (make: (index: number) => string): string[] =>
  Array.from({ length: 1_500 }, (_, i) => make(i));
const digits = (index: number, length: number): string =>
  BigInt(`0x${digest('sha256', index).toString('hex')}`)
    .toString()
    .slice(0, length);

/** What databases and logs are full of, and what no detector may take for something else. */
const corpus: Readonly<Record<string, readonly string[]>> = {
  'trace ids': many(
    (i) =>
      `trace_id=${digest('md5', i).toString('hex')} span_id=${digest('md5', -i).toString('hex', 0, 8)}`,
  ),
  'git hashes': many(
    (i) =>
      `commit ${digest('sha1', i).toString('hex')} (${digest('sha1', -i).toString('hex', 0, 4)})`,
  ),
  'upper-case hashes': many((i) => digest('md5', i).toString('hex').toUpperCase()),
  UUIDs: many((i) =>
    digest('md5', i)
      .toString('hex')
      .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5'),
  ),
  timestamps: many((i) => {
    const at = new Date(1_763_000_000_000 + i * 86_461_007);
    return `${at.toISOString()} ${at.getTime()} ${at.getTime()}123 ${at.toISOString().replace(/[-:.]/g, '')} ${at.toISOString().replace('T', ' ').replace('Z', '123+00')}`;
  }),
  'order numbers': many(
    (i) =>
      `order ${100_000 + i * 7919} ORD-2026-${String(i).padStart(6, '0')} invoice INV/2026/${digits(i, 8)} #${digits(-i, 10)}`,
  ),
  snowflakes: many(
    (i) => `id ${1_300_000_000_000_000_000n + BigInt(i) * 4_194_304_123n} ref 17${digits(i, 14)}`,
  ),
  prices: many(
    (i) =>
      `${(i * 13.37).toFixed(2)} EUR, ${i * 31} pieces, ${(i / 7).toFixed(6)}, -${i}.${digits(i, 4)}e-${i % 30}`,
  ),
  'base64 of images': many(
    (i) =>
      `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA${Buffer.concat([digest('sha512', i), digest('sha512', -i)]).toString('base64')}`,
  ),
  'versions and paths': many(
    (i) =>
      `pkg@1.${i % 40}.${i % 7} /usr/lib/node_modules/some-package-name/dist/index.${i}.js v${i % 9}.${i % 10}.0-rc.${i % 3}`,
  ),
  'network logs': many(
    (i) =>
      `10.${i % 255}.${(i * 7) % 255}.9 - - [20/Nov/2026:11:00:00 +0000] "GET /order/${i} HTTP/1.1" 200 ${i * 17} "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
  ),
  'JSON logs': many(
    (i) =>
      `{"level":"info","ts":17${digits(i, 8)},"msg":"retry token bucket refilled","trace":"${digest('md5', i).toString('hex')}","tokens":${i},"ms":${i % 900}}`,
  ),
};

const prose = [
  'The password must be at least twelve characters long; a token is sent to the secretary. Call me at 9:30, or at 10.15.',
  'Reset your password: follow the link. The secret: practice! Key: value pairs are stored in the table; see section 3.2.1.',
  'Das Passwort wird nach 90 Tagen ungültig. Geboren wurde die Idee 1998; Telefon und Fax sind seit 2004 abgeschaltet. Größe: 12 x 34 cm.',
  'Le mot de passe est obligatoire : veuillez le saisir. Né en 1970, il habite au 12, rue de la Paix, 75002 Paris. Le prix est de 1 234 567,89 €.',
  'La contraseña es obligatoria. Nacido en 1980, trabajó sin descanso 3 000 días. El teléfono: ninguno. Llame de 9 a 17.',
  'A senha expirou. Nascido em 1990. O telefone está ocupado; ligue amanhã às 10:30. CPF obrigatório.',
  'La password è obbligatoria. Nascita della città: 753 a.C. Il telefono squilla 10 volte al giorno.',
  'Пароль должен содержать не менее 12 символов. Телефон не указан. Цена 1 234 567 руб.',
  'パスワードは必須です。電話番号は後で入力してください。2026年11月20日、価格は１２３４円です。',
  '密码不能为空。请输入电话号码。订单号二〇二六一一二〇，价格 1234 元。',
  'كلمة المرور مطلوبة. رقم الهاتف غير متوفر. السعر ١٢٣٤ دولار.',
  'select id, status from orders where password is null and token = $1 and secret <> :secret and api_key = ? limit 10',
  'update users set password = crypt($1, gen_salt($2)), token_version = token_version + 1 where id = 42',
  'create table t (password text not null, token varchar(64), secret_name text default current_user)',
  'SKU-1234 task-5678 risk-free disk-usage sk-learn key-value monkey-business pat pattern eyJ EAA hf_hub dapi s.t. U.S. A3-2024',
  'ISBN 978-3-16-148410-0, EAN 4006381333931, DIN 5008, RFC 3986, ISO 8601:2004, P<0.05, 12:30:45, 1.2.3.4-beta',
];

suite('nothing is found in', () => {
  for (const [name, texts] of Object.entries(corpus))
    test(name, () => {
      for (const text of texts) assert.equal(maskDetected(text), text);
    });

  test('prose in ten languages, and SQL', () => {
    for (const text of prose) assert.equal(maskDetected(text), text);
  });
});
