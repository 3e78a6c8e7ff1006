import { execFile } from 'node:child_process';
import { createCipheriv, createHash, getFips } from 'node:crypto';
import { readFile, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Check } from './check.ts';

const run = promisify(execFile);

/** Slower than this and every TLS byte and every record is a burden: the processor's own instructions are not used. */
const SLOW_MB_S = 100;
const SAMPLE = Buffer.alloc(8 * 1024 * 1024);
const LITTLE_DISK = 1024 ** 3;
const NO_DISK = 100 * 1024 ** 2;

/** The runtime, its cryptography, the clock's source and the disk under `dataDir`. */
export async function checkMachine(dataDir: string): Promise<readonly Check[]> {
  return [
    checkNode(process.versions.node),
    await checkCrypto(),
    ...(await checkNtp()),
    ...coreDumps(await readFile('/proc/self/limits', 'utf8').catch(() => '')),
    await checkDisk(dataDir),
  ];
}

export function checkNode(node: string): Check {
  const good = Number(node.split('.')[0]) === 24;
  return {
    what: 'Node.js',
    state: good ? 'ok' : 'fail',
    found: node,
    ...(!good && { next: 'run npm install in this folder: it brings Node 24' }),
  };
}

async function checkCrypto(): Promise<Check> {
  const sha = speed(() => void createHash('sha256').update(SAMPLE).digest());
  const key = Buffer.alloc(32);
  const aes = speed(() => void createCipheriv('aes-256-gcm', key, key.subarray(12)).update(SAMPLE));
  const slow = Math.min(sha, aes) < SLOW_MB_S;
  const parts = [
    `OpenSSL ${process.versions.openssl}`,
    ...(getFips() === 1 ? ['FIPS'] : []),
    `SHA-256 ${Math.round(sha)} MB/s`,
    `AES-256-GCM ${Math.round(aes)} MB/s`,
    ...(await instructions()),
  ];
  return {
    what: 'native cryptography',
    state: slow ? 'warn' : 'ok',
    found: parts.join(', '),
    ...(slow && {
      next: 'use a processor (or a virtual machine type) with AES and SHA instructions',
    }),
  };
}

/** The best of three, in MB a second: one of them may have been interrupted. */
function speed(work: () => void): number {
  const times = [0, 1, 2].map(() => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return SAMPLE.length / 1_000 / Math.min(...times);
}

/** What Linux says of the processor; nothing elsewhere. */
async function instructions(): Promise<string[]> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? [];
  const found = ['aes', 'sha_ni', 'sha2'].filter((flag) => flags.includes(flag));
  return text === '' ? [] : [`processor: ${found.join(' ') || 'neither AES nor SHA'}`];
}

/** Only where systemd can be asked; the clocks of store and targets are compared in any case. */
async function checkNtp(): Promise<Check[]> {
  const asked = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value'], {
    timeout: 3_000,
  }).catch(() => undefined);
  const answer = asked?.stdout.trim();
  if (answer !== 'yes' && answer !== 'no') return [];
  return [
    {
      what: 'clock source',
      state: answer === 'yes' ? 'ok' : 'warn',
      found: answer === 'yes' ? 'synchronised' : 'not synchronised',
      ...(answer === 'no' && { next: 'timedatectl set-ntp true, or start chrony' }),
    },
  ];
}

/** A core dump holds every secret that the process had in memory. `limits` is Linux's table; elsewhere it is empty. */
export function coreDumps(limits: string): Check[] {
  const size = /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  if (size === undefined) return [];
  const off = size === '0';
  return [
    {
      what: 'core dumps',
      state: off ? 'ok' : 'warn',
      found: off ? 'none are written' : 'a crash writes the memory to disk, with the secrets in it',
      ...(!off && {
        next: 'ulimit -c 0 before countersign serve, LimitCORE=0 in systemd, or --ulimit core=0 in Docker',
      }),
    },
  ];
}

async function checkDisk(dataDir: string): Promise<Check> {
  const disk = await statfs(dataDir).catch(() => statfs(dirname(dataDir)).catch(() => undefined));
  const what = 'disk';
  if (!disk)
    return {
      what,
      state: 'warn',
      found: `${dataDir} is not there`,
      next: 'countersign serve makes it',
    };
  return diskState(what, disk.bavail * disk.bsize);
}

export function diskState(what: string, free: number): Check {
  const state = free < NO_DISK ? 'fail' : free < LITTLE_DISK ? 'warn' : 'ok';
  return {
    what,
    state,
    found: `${(free / 1024 ** 3).toFixed(1)} GiB free`,
    ...(state !== 'ok' && {
      next: 'make room: an embedded store that cannot write refuses every statement',
    }),
  };
}
