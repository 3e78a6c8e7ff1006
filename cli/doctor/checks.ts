import type { Config } from '#src/config/config.ts';
import { readPolicyFiles } from '#src/config/policies.ts';
import { loadPolicy } from '#src/policy/load.ts';
import { namesOf } from '../policy/check.ts';
import { checkCertificates } from './certificates.ts';
import { failed, type Check } from './check.ts';
import { checkDetectors } from './detectors.ts';
import { checkKeys } from './keys.ts';
import { checkMachine } from './machine.ts';
import { checkOidc } from './oidc.ts';
import { checkRedis } from './queue.ts';
import { checkScim } from './scim.ts';
import { checkSlackChannels, checkTeams } from './chat.ts';
import { checkSlack } from './slack.ts';
import { checkStore } from './store.ts';
import { checkTarget } from './target.ts';

export type CheckGroup = { readonly what: string; run(): Promise<readonly Check[]> };

/** Everything the doctor looks at, in the order in which one thing depends on another. */
export function checkGroups(config: Config, file: string): readonly CheckGroup[] {
  const { slack, teams, channels } = config.chat;
  const { queue } = config;
  return [
    { what: 'this machine', run: () => checkMachine(config.dataDir) },
    { what: 'the configuration', run: () => Promise.resolve(checkConfig(config)) },
    { what: 'keys and files', run: () => checkKeys(config, file) },
    { what: 'the certificates', run: () => checkCertificates(config) },
    { what: 'the rules', run: () => checkRules(config) },
    { what: 'the detectors', run: () => Promise.resolve(checkDetectors()) },
    { what: 'the store', run: () => checkStore(config) },
    ...(queue.backend === 'redis' ? [{ what: 'Redis', run: () => checkRedis(queue) }] : []),
    ...[...config.targets.values()].map((target) => ({
      what: `target ${target.name}`,
      run: () => checkTarget(target),
    })),
    ...[...config.identity.providers.values()].flatMap((provider) =>
      provider.protocol === 'oidc'
        ? [
            {
              what: `provider ${provider.name}`,
              run: () => checkOidc(provider, config.publicUrl),
            },
          ]
        : [],
    ),
    { what: 'SCIM', run: () => checkScim(config.identity) },
    ...(slack
      ? [
          { what: 'Slack', run: () => checkSlack(slack) },
          { what: 'Slack channels', run: () => checkSlackChannels(slack, channels) },
        ]
      : []),
    ...(teams ? [{ what: 'Teams', run: () => checkTeams(teams) }] : []),
  ];
}

function checkConfig(config: Config): readonly Check[] {
  const checks: Check[] = config.notices.map((notice) => ({
    what: 'configuration',
    state: 'warn',
    found: notice,
    next: notice,
  }));
  const { console, postgres } = config.listen;
  if (!isLoopback(postgres.host) && !config.tls)
    checks.push({
      what: 'encryption',
      state: 'warn',
      found: 'PostgreSQL clients come from beyond this machine without TLS',
      next: 'set tls.key and tls.cert',
    });
  if (!isLoopback(console.host) && !config.tls?.console)
    checks.push({
      what: 'encryption',
      state: 'warn',
      found: 'the console speaks plain HTTP beyond this machine',
      next: 'set tls.console, or listen on 127.0.0.1 and put an HTTPS proxy in front; set publicUrl to match',
    });
  return checks;
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.[\d.]+$/.test(host);

async function checkRules(config: Config): Promise<readonly Check[]> {
  try {
    const files = await readPolicyFiles(config.policies);
    const loaded = loadPolicy(files, namesOf(config));
    if (!loaded.ok)
      return [
        {
          what: 'rules',
          state: 'fail',
          found: `${loaded.problems.length} problems`,
          next: 'countersign policy check names them',
        },
      ];
    const warned = loaded.warnings.length;
    return [
      {
        what: 'rules',
        state: warned > 0 || files.length === 0 ? 'warn' : 'ok',
        found: `${files.length} files, version ${loaded.policy.version.slice(0, 12)}`,
        ...(warned > 0 && { next: 'countersign policy check names the warnings' }),
        ...(files.length === 0 && {
          next: `without rules everything is denied: write *.cedar files in ${config.policies}`,
        }),
      },
    ];
  } catch (error) {
    return [failed('rules', error, 'correct policies: in the configuration')];
  }
}
