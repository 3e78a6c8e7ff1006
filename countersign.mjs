#!/usr/bin/env node
// Runs Countersign under the Node that it is tested with, whatever Node starts this file.
// Plain old syntax on purpose: an old Node must get as far as the sentence about its age.
import { spawn } from 'child_process';
import { createHash } from 'crypto';
import fs from 'fs';
import path from 'path';
import { fileURLToPath } from 'url';

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const NODE_PACKAGE = path.join(ROOT, 'node_modules', 'node');
const NODE = path.join(NODE_PACKAGE, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const STAMP = path.join(ROOT, 'node_modules', '.countersign-stamp');
const COMPILED = path.join(ROOT, 'node_modules', '.cache', 'compiled');
const OLDEST = 20;

class Problem extends Error {}

function main(argv) {
  if (Number(process.versions.node.split('.')[0]) < OLDEST)
    throw new Problem(
      'Countersign needs Node.js ' +
        OLDEST +
        ' or newer to start; this is ' +
        process.version +
        '. Install a newer one from https://nodejs.org, then start again.',
    );
  const wanted = wantedStamp();
  return Promise.resolve(wanted === undefined || isInstalled(wanted) ? undefined : install(wanted))
    .then(() => run(argv))
    .then((ending) => {
      if (ending.signal) process.kill(process.pid, ending.signal);
      else process.exitCode = ending.code;
    });
}

/** What the installed packages must have been made from; undefined in a published package, which has no lockfile. */
function wantedStamp() {
  const lockfile = path.join(ROOT, 'package-lock.json');
  if (!fs.existsSync(lockfile)) return undefined;
  const hash = createHash('sha256').update(fs.readFileSync(lockfile)).digest('hex');
  return hash + ' ' + process.platform + '-' + process.arch;
}

function isInstalled(wanted) {
  return readText(STAMP) === wanted && fs.existsSync(NODE);
}

/** `npm install` and not `npm ci`: some optional platform builds are not always to be had. */
function install(wanted) {
  return lock().then((unlock) => {
    const begun = Date.now();
    const work = isInstalled(wanted)
      ? Promise.resolve()
      : npmInstall()
          .then(fetchNode)
          .then(() => {
            fs.writeFileSync(STAMP, wanted);
            say('Installed in ' + seconds(begun) + '.');
          });
    return work.then(unlock, (error) => {
      unlock();
      throw error;
    });
  });
}

function npmInstall() {
  say(
    'Installing the exact versions of package-lock.json, Node.js 24 included. The first time takes a minute ...',
  );
  const flags = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--no-update-notifier',
    '--prefer-offline',
    '--include=dev',
    '--include=optional',
    '--loglevel=error',
  ];
  const begun = Date.now();
  const progress = setInterval(() => say('... still installing, ' + seconds(begun)), 10000);
  return npm(flags, ROOT).then(
    () => clearInterval(progress),
    (error) => {
      clearInterval(progress);
      throw new Problem(
        'The install did not work: ' +
          error.message +
          '. The lines above say why; check the network, the disk and who owns ' +
          ROOT +
          ', then start again.',
      );
    },
  );
}

/** The package `node` fetches its binary in an install script, which npm may have been told to skip. */
function fetchNode() {
  if (fs.existsSync(NODE)) return undefined;
  say('Fetching Node.js 24 ...');
  const script = path.join(NODE_PACKAGE, 'installArchSpecificPackage.js');
  return wait(
    spawn(process.execPath, [script], { cwd: NODE_PACKAGE, stdio: ['ignore', 2, 2] }),
  ).then((ending) => {
    if (!fs.existsSync(NODE))
      throw new Problem(
        'Node.js 24 could not be fetched (ended with ' +
          (ending.signal || ending.code) +
          '). Run "npm rebuild node" in ' +
          ROOT +
          ', then start again.',
      );
  });
}

function npm(flags, cwd) {
  // Under `npm start` this is the very npm that started us.
  // oxlint-disable-next-line node/no-process-env -- npm tells us in no other way
  const script = process.env.npm_execpath;
  const isNpm = script !== undefined && /npm-cli\.c?js$/.test(script);
  const command = isNpm ? process.execPath : 'npm';
  const child = spawn(command, (isNpm ? [script] : []).concat(flags), {
    cwd,
    // Our own output is for the command's answer; what npm says goes to stderr.
    stdio: ['ignore', 2, 2],
    shell: !isNpm && process.platform === 'win32',
  });
  return wait(child).then((ending) => {
    if (ending.code !== 0) throw new Error('npm ended with ' + (ending.signal || ending.code));
  });
}

/** Two first runs at once: the second waits until the first has installed. Resolves with the unlocking function. */
function lock() {
  const folder = path.join(ROOT, '.countersign');
  const file = path.join(folder, 'install.lock');
  const unlock = () => fs.rmSync(file, { force: true });
  let told = false;
  function attempt() {
    try {
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
      return Promise.resolve(unlock);
    } catch (error) {
      if (error.code !== 'EEXIST')
        throw new Problem(
          'Cannot write ' +
            folder +
            ' (' +
            error.code +
            '): give this user the right to write there.',
        );
    }
    const holder = Number(readText(file) || 0);
    // Empty: it is being written just now, or its writer was killed in between.
    const age = Date.now() - modified(file);
    if (holder ? !isAlive(holder) : age > 5000) unlock();
    else if (!told) {
      told = true;
      say('Waiting for another install (process ' + holder + ') ...');
    }
    return new Promise((resolve) => setTimeout(resolve, 200)).then(attempt);
  }
  return Promise.resolve().then(attempt);
}

function run(argv) {
  const node = fs.existsSync(NODE) ? NODE : publishedNode();
  const own = {
    '--test': 'test/run.ts',
    '--bench': 'test/bench/run.ts',
    '--chaos': 'test/chaos/run.ts',
    '--suites': 'test/suites/run.ts',
  }[argv[0]];
  const [script, rest] = own ? [own, argv.slice(1)] : ['cli/main.ts', argv];
  // The channel ends with us: the gateway stops too when this process is killed.
  // Targets may be signed by an authority that only this machine's system knows.
  const child = spawn(node, ['--use-system-ca', path.join(ROOT, script)].concat(rest), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    // Half of a start would go into stripping types and compiling what was compiled before. It is keyed by content.
    // oxlint-disable-next-line node/no-process-env -- what Node itself reads
    env: Object.assign({ NODE_COMPILE_CACHE: COMPILED }, process.env),
  });
  // A terminal's Ctrl-C reaches the child by itself, being of the same group; twice would mean "now, at once".
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  const watch = watchNpm(() => child.kill('SIGTERM'));
  return wait(child).then((ending) => {
    clearInterval(watch);
    ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.removeAllListeners(signal));
    return ending;
  });
}

/** A killed npm tells nobody: whoever it had started would hold the ports for ever. */
function watchNpm(onGone) {
  // oxlint-disable-next-line node/no-process-env -- npm tells us in no other way
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  return setInterval(() => process.ppid === parent || onGone(), 500);
}

/** In a published package npm may have put `node` beside us instead of below. */
function publishedNode() {
  for (let at = ROOT; at !== path.dirname(at); at = path.dirname(at)) {
    const node = path.join(at, 'node_modules', 'node', 'bin', 'node');
    if (fs.existsSync(node)) return node;
  }
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new Problem(
    'Node.js 24 is not installed beside Countersign. Run "npm rebuild node", then start again.',
  );
}

function wait(child) {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function modified(file) {
  try {
    return fs.statSync(file).mtimeMs;
  } catch {
    return Date.now();
  }
}

function seconds(since) {
  return Math.round((Date.now() - since) / 1000) + ' s';
}

function say(text) {
  process.stderr.write(text + '\n');
}

Promise.resolve()
  .then(() => main(process.argv.slice(2)))
  .catch((error) => {
    say('countersign: ' + (error instanceof Problem ? error.message : error.stack));
    process.exitCode = 1;
  });
