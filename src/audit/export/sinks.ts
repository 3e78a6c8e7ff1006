import { open } from 'node:fs/promises';
import type { Secret } from '../../config/secrets.ts';
import type { OcsfEvent } from './ocsf.ts';

type Deliver = (events: readonly OcsfEvent[]) => Promise<void>;

const PATIENCE_MS = 30_000;

/** One JSON object a line at the end of a file, which may be moved away between two batches. */
export function toFile(path: string): Deliver {
  return async (events) => {
    await using file = await open(path, 'a', 0o600);
    await file.appendFile(events.map((one) => `${JSON.stringify(one)}\n`).join(''));
    await file.sync();
  };
}

/** Splunk's HTTP Event Collector. `url` is its address, without `/services/…`. */
export function toSplunk(url: string, token: Secret, source: string): Deliver {
  return async (events) => {
    const body = events
      .map((event) =>
        JSON.stringify({
          time: Number(event['time']) / 1_000,
          source,
          sourcetype: 'ocsf:json',
          event,
        }),
      )
      .join('\n');
    await post(`${url}/services/collector/event`, body, {
      authorization: `Splunk ${await token()}`,
    });
  };
}

/** A collector of OpenTelemetry logs (OTLP over HTTP, JSON). `url` is its address, without `/v1/logs`. */
export function toOtlp(url: string, headers: Readonly<Record<string, Secret>>): Deliver {
  return async (events) => {
    const own = await Promise.all(
      Object.entries(headers).map(async ([name, value]) => [name, await value()] as const),
    );
    const answer = await post(
      `${url}/v1/logs`,
      JSON.stringify(otlpOf(events)),
      Object.fromEntries(own),
    );
    const refused = rejectedIn(answer);
    if (refused > 0) throw new Error(`it refused ${refused} of ${events.length} records`);
  };
}

const stringValue = (key: string, value: string) => ({ key, value: { stringValue: value } });

/** ExportLogsServiceRequest of opentelemetry-proto, as JSON. */
function otlpOf(events: readonly OcsfEvent[]) {
  return {
    resourceLogs: [
      {
        resource: { attributes: [stringValue('service.name', 'countersign')] },
        scopeLogs: [
          {
            scope: { name: 'countersign.audit' },
            logRecords: events.map((event) => ({
              timeUnixNano: `${Number(event['time'])}000000`,
              // OCSF counts 1 to 6, OpenTelemetry in steps of four from INFO (9) on.
              severityNumber: Math.min(24, 5 + 4 * Number(event['severity_id'])),
              body: { stringValue: JSON.stringify(event) },
              attributes: [stringValue('event.name', `ocsf.${Number(event['class_uid'])}`)],
            })),
          },
        ],
      },
    ],
  };
}

function rejectedIn(answer: string): number {
  try {
    const parsed: unknown = JSON.parse(answer);
    const found = /"rejectedLogRecords":"?(\d+)/.exec(JSON.stringify(parsed));
    return Number(found?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    signal: AbortSignal.timeout(PATIENCE_MS),
    // A token goes nowhere but where it was meant to.
    redirect: 'error',
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`it answers ${answer.status}: ${text.trim().slice(0, 200)}`);
  return text;
}
