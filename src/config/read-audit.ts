import { resolve } from 'node:path';
import type { AnchorConfig, AuditConfig, ExportConfig } from './config.ts';
import { DAYS } from './schema-audit.ts';
import type { File } from './schema.ts';
import { secretOf, type Surroundings } from './secrets.ts';
import { toAddress, toMs } from './sure.ts';

export function buildAudit({ audit }: File, around: Surroundings): AuditConfig {
  const { origin, signer, key, writer, witnesses, anchors, workingHours, serve } = audit;
  return {
    ...(origin !== undefined && { origin }),
    ...(key !== undefined && { key: resolve(around.base, key) }),
    ...(signer && { signer }),
    ...(writer && { writer }),
    heartbeatMs: toMs(audit.heartbeat),
    witnesses: Object.entries(witnesses).map(([name, one]) => ({ name, ...one })),
    quorum: audit.quorum ?? Object.keys(witnesses).length,
    ...(workingHours && {
      workingHours: {
        ...workingHours,
        days: workingHours.days.map((day) => DAYS.indexOf(day) + 1),
      },
    }),
    anchors: Object.entries(anchors).map(([name, one]) => buildAnchor(name, one, around)),
    export: Object.entries(audit.export).map(([name, one]) => buildSink(name, one, around)),
    confirmErasure: audit.confirmErasure,
    serve,
  };
}

function buildAnchor(
  name: string,
  { git, branch, chat, command = '', every }: File['audit']['anchors'][string],
  around: Surroundings,
): AnchorConfig {
  const common = { name, everyMs: toMs(every ?? (chat === undefined ? '1h' : '1d')) };
  if (git !== undefined) {
    // An address has a scheme or, as ssh has it, a host and a colon.
    const repository = /:/.test(git) ? git : resolve(around.base, git);
    return { ...common, type: 'git', repository, branch };
  }
  return chat === undefined
    ? { ...common, type: 'command', command }
    : { ...common, type: 'chat', channel: chat };
}

const plain = (url: string): string => url.replace(/\/+$/, '');

function buildSink(
  name: string,
  sink: File['audit']['export'][string],
  around: Surroundings,
): ExportConfig {
  const place = { name, since: sink.since };
  if (sink.type === 'file')
    return { ...place, type: 'file', path: resolve(around.base, sink.path) };
  if (sink.type === 'splunk')
    return { ...place, type: 'splunk', url: plain(sink.url), token: secretOf(sink.token, around) };
  if (sink.type === 'otlp') {
    const headers = Object.entries(sink.headers).map(
      ([header, value]) => [header, secretOf(value, around)] as const,
    );
    return { ...place, type: 'otlp', url: plain(sink.url), headers: Object.fromEntries(headers) };
  }
  const { server, ca } = sink;
  return {
    ...place,
    type: 'syslog',
    server: toAddress(server),
    ...(ca !== undefined && { ca: resolve(around.base, ca) }),
  };
}
