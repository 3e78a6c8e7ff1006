import { only, type Rule } from './rule.ts';
import { alnum, upper } from './samples.ts';

/** To the line that ends the block, or to the end of the text when that is missing. */
function toLine(ending: string, rest: RegExp): NonNullable<Rule['reach']> {
  return (text, start, end) => {
    const last = text.indexOf(ending, end);
    if (last < 0) return only(start, text.length);
    const line = rest.exec(text.slice(last + ending.length, last + ending.length + 100));
    return only(start, last + ending.length + (line?.[0].length ?? 0));
  };
}

/** Put together, so that no scanner takes an example for a leak. */
const block = (name: string, dashes = '-----'): string =>
  `${dashes}BEGIN ${name}${dashes}\nMIIE${alnum(40)}\n${dashes}END ${name}${dashes}`;

export const privateKeys: readonly Rule[] = [
  {
    id: 'pem-private-key',
    kind: 'private-key',
    about:
      'Private key in PEM (RSA, EC, PKCS #8, OpenSSH) or PGP armour, to its last line or to the end of the text',
    literals: ['-----BEGIN'],
    pattern: '-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----',
    before: 'anything',
    reach: toLine('-----END', /^[A-Z0-9 ]{0,60}-----/),
    hits: [
      block('RSA PRIVATE KEY'),
      block('OPENSSH PRIVATE KEY'),
      block('PGP PRIVATE KEY BLOCK'),
      block('PRIVATE KEY').slice(0, 45),
    ],
    misses: [block('CERTIFICATE'), block('PUBLIC KEY'), '-----BEGIN'],
  },
  {
    id: 'ssh2-private-key',
    kind: 'private-key',
    about: 'Private key in the form of SSH.com',
    literals: ['---- BEGIN'],
    pattern: '---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----',
    before: 'anything',
    reach: toLine('---- END', /^[A-Z0-9 ]{0,60} ----/),
    hits: [block('SSH2 ENCRYPTED PRIVATE KEY', '---- ').replace('---- \n', ' ----\n')].map((text) =>
      text.replace(
        /^---- BEGIN SSH2 ENCRYPTED PRIVATE KEY(?: ----|---- )/,
        '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----',
      ),
    ),
    misses: ['---- BEGIN SSH2 PUBLIC KEY ----\nAAAA'],
  },
  {
    id: 'putty-private-key',
    kind: 'private-key',
    about: 'Private key of PuTTY (.ppk)',
    literals: ['putty-user-key-file'],
    pattern: 'PuTTY-User-Key-File-[0-9]: ',
    reach: toLine('Private-MAC: ', /^[0-9a-f]{0,64}/),
    hits: [`PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n${alnum(48)}\nPrivate-MAC: 0f3a`],
    misses: ['PuTTY-User-Key-File'],
  },
  {
    id: 'age-key',
    kind: 'private-key',
    about: 'Identity of age, for files',
    literals: ['age-secret-key-0', 'age-plugin-'],
    pattern: 'AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[0-9A-Z]{50,600}',
    hits: [`AGE-SECRET-KEY-1${upper(58)}`],
    misses: [`age1${alnum(58).toLowerCase()}`, 'AGE-SECRET-KEY-1QQQ'],
  },
];
