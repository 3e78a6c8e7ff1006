// Packs the app for Teams. Any Node from version 20 on runs it; nothing has to be installed.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { crc32 } from './crc32.mjs';

const USAGE = `Usage: node manifest/teams/package.mjs --app-id ID --host HOST [--out countersign-teams.zip]

ID is the bot's Microsoft App ID (chat.teams.appId), HOST the host of publicUrl.`;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i;
// A package made twice of the same is the same: 1 January 2026.
const DATE = ((2026 - 1980) << 9) | (1 << 5) | 1;

const fail = (why) => {
  console.error(`${why}\n\n${USAGE}`);
  process.exit(2);
};

const file = (name) => readFileSync(new URL(name, import.meta.url));

/** Stored, not compressed: every program that reads ZIP reads this. */
const zip = (entries) => {
  const locals = [];
  const index = [];
  let offset = 0;
  for (const [name, data] of entries) {
    // Version 2.0, no flags, stored, time and date, checksum, both sizes, length of the name, no extra field.
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(DATE, 8);
    facts.writeUInt32LE(crc32(data), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(data.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, Buffer.from(name), data]);
    const where = Buffer.alloc(14);
    where.writeUInt32LE(offset, 10);
    index.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), facts, where, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(index);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
};

const options = {
  'app-id': { type: 'string' },
  host: { type: 'string' },
  out: { type: 'string', default: 'countersign-teams.zip' },
};
let values;
try {
  ({ values } = parseArgs({ options }));
} catch (error) {
  fail(error.message);
}
const { 'app-id': id = '', host = '', out } = values;
if (!GUID.test(id)) fail('--app-id is not an id like 11111111-2222-3333-4444-555555555555');
if (!HOST.test(host)) fail('--host is not a host like countersign.example.com');
const manifest = file('manifest.json')
  .toString()
  .replaceAll('{{APP_ID}}', id.toLowerCase())
  .replaceAll('{{HOST}}', host.toLowerCase());
writeFileSync(
  out,
  zip([
    ['manifest.json', Buffer.from(manifest)],
    ['color.png', file('color.png')],
    ['outline.png', file('outline.png')],
  ]),
);
console.log(`${out}: upload it in the Teams admin center (Manage apps, Upload new app)`);
