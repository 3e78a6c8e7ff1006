import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { crc32, inflateSync } from 'node:zlib';
import { z } from 'zod';

const FOLDER = path.resolve(import.meta.dirname, '../../../manifest/teams');
const APP = '11111111-2222-3333-4444-555555555555';
const HOST = 'countersign.example.com';
const scratch = mkdtempSync(path.join(tmpdir(), 'countersign-teams-'));
after(() => rmSync(scratch, { recursive: true }));

/** What version 1.21 of Microsoft's schema says of the keys that are used; no others are. */
const url = z.url({ protocol: /^https$/ }).max(2_048);
const scopes = z
  .array(z.enum(['personal', 'team', 'groupChat']))
  .min(1)
  .max(3);
const command = z.strictObject({ title: z.string().max(32), description: z.string().max(128) });
const Manifest = z.strictObject({
  $schema: z.literal(
    'https://developer.microsoft.com/en-us/json-schemas/teams/v1.21/MicrosoftTeams.schema.json',
  ),
  manifestVersion: z.literal('1.21'),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  id: z.guid(),
  developer: z.strictObject({
    name: z.string().max(32),
    websiteUrl: url,
    privacyUrl: url,
    termsOfUseUrl: url,
  }),
  name: z.strictObject({ short: z.string().max(30), full: z.string().max(100) }),
  description: z.strictObject({ short: z.string().max(80), full: z.string().max(4_000) }),
  icons: z.strictObject({ color: z.literal('color.png'), outline: z.literal('outline.png') }),
  accentColor: z.string().regex(/^#[0-9A-Fa-f]{6}$/),
  bots: z
    .array(
      z.strictObject({
        botId: z.guid(),
        scopes,
        supportsFiles: z.boolean(),
        isNotificationOnly: z.boolean(),
        commandLists: z
          .array(z.strictObject({ scopes, commands: z.array(command).max(10) }))
          .max(3),
      }),
    )
    .length(1),
  permissions: z.array(z.enum(['identity', 'messageTeamMembers'])),
  validDomains: z.array(z.string().regex(/^[a-z0-9.-]+$/)).max(16),
});

/** The files of a ZIP whose files are stored as they are. Throws where a checksum or a size is wrong. */
function stored(zip: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  let at = 0;
  while (zip.readUInt32LE(at) === 0x04034b50) {
    const [checksum, size] = [zip.readUInt32LE(at + 14), zip.readUInt32LE(at + 22)];
    const named = at + 30 + zip.readUInt16LE(at + 26);
    const data = zip.subarray(named, named + size);
    assert.equal(crc32(data), checksum);
    files.set(zip.toString('utf8', at + 30, named), data);
    at = named + size;
  }
  assert.equal(zip.readUInt32LE(at), 0x02014b50);
  assert.equal(zip.readUInt16LE(zip.length - 12), files.size);
  assert.equal(zip.readUInt32LE(zip.length - 6), at);
  return files;
}

function pack(...args: string[]): Buffer {
  const out = path.join(scratch, 'app.zip');
  execFileSync(process.execPath, [path.join(FOLDER, 'package.mjs'), '--out', out, ...args]);
  return readFileSync(out);
}

void test('the package for Teams holds a manifest that Teams takes, and its two icons', () => {
  const files = stored(pack('--app-id', APP, '--host', HOST));
  assert.deepEqual([...files.keys()], ['manifest.json', 'color.png', 'outline.png']);
  const manifest = Manifest.parse(JSON.parse(String(files.get('manifest.json'))));
  assert.deepEqual([manifest.id, manifest.bots[0]?.botId], [APP, APP]);
  assert.deepEqual(manifest.validDomains, [HOST]);
});

void test('the icons have the sizes that Teams asks for; the outline is white on nothing', () => {
  for (const [name, side] of [
    ['color.png', 192],
    ['outline.png', 32],
  ] as const) {
    const png = readFileSync(path.join(FOLDER, name));
    assert.equal(png.toString('latin1', 1, 4), 'PNG');
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [side, side]);
    const at = png.indexOf('IDAT');
    const pixels = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    assert.equal(pixels.length, side * (side * 4 + 1));
    const opacities = new Set<number>();
    for (let i = 0; i < side * side; i++) {
      const pixel = Math.floor(i / side) * (side * 4 + 1) + 1 + (i % side) * 4;
      opacities.add(pixels[pixel + 3] ?? 0);
      if (name === 'outline.png') assert.equal(pixels.readUIntBE(pixel, 3), 0xffffff);
    }
    assert.deepEqual([opacities.has(255), opacities.has(0)], [true, name === 'outline.png']);
  }
});

void test('the same app is packed to the same bytes, and what is no id or no host is refused', () => {
  const args = ['--app-id', APP, '--host', HOST];
  assert.deepEqual(pack(...args), pack(...args));
  for (const wrong of [
    ['--app-id', 'x', '--host', HOST],
    ['--app-id', APP],
    ['--app-id', APP, '--host', 'https://x/'],
    ['--app-id', APP, '--host', 'a","x":"'],
    ['--what'],
  ]) {
    const { status, stderr } = spawnSync(
      process.execPath,
      [path.join(FOLDER, 'package.mjs'), ...wrong],
      {
        encoding: 'utf8',
        cwd: scratch,
      },
    );
    assert.equal(status, 2);
    assert.match(stderr, /Usage: node manifest/u);
  }
});
