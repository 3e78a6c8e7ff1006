import type { Happened } from '#src/audit/incident-entries.ts';
import type { Incident } from '#src/audit/incidents.ts';
import type { Button, Line, Part, Post } from '../model.ts';
import { duration, oneLine } from '../text.ts';
import { minute, searchLink } from './summary.ts';

/** What stands in the channel as long as it goes on, and after. */
export function incidentPost(incident: Incident, publicUrl: string): Post {
  const { name, target, note, startedBy, startedAt, stoppedBy, stoppedAt } = incident;
  const state = stoppedAt === undefined ? 'is open' : 'was stopped';
  return {
    summary: `Incident ${name} ${state}`,
    title: `Incident ${name} ${state}`,
    parts: [
      {
        kind: 'facts',
        facts: [
          { label: 'Targets', text: target },
          { label: 'Started by', text: oneLine(startedBy) },
          ...(stoppedBy === undefined ? [] : [{ label: 'Stopped by', text: oneLine(stoppedBy) }]),
          ...(note === '' ? [] : [{ label: 'Note', text: oneLine(note) }]),
        ],
      },
      { kind: 'text', line: times(startedAt, stoppedAt) },
      ...countsOf(incident),
      ...(stoppedAt === undefined
        ? [
            {
              kind: 'note' as const,
              line: [
                `What happens there is told in this thread until /audit incident stop ${name}`,
              ],
            },
          ]
        : []),
      { kind: 'buttons', buttons: consoleButtons(incident, publicUrl) },
    ],
  };
}

function times(from: string, to: string | undefined): Line {
  const since = ['Since ', { text: minute(from), at: from }];
  if (to === undefined) return since;
  const took = duration(Date.parse(to) - Date.parse(from));
  return [...since, ' until ', { text: minute(to), at: to }, `, ${took}`];
}

function countsOf({ counts, untold }: Incident): readonly Part[] {
  const lines = Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 20)
    .map(([what, count]): Line => [`${what}: ${count.toLocaleString('en')}`]);
  return [
    ...(lines.length === 0
      ? [{ kind: 'text' as const, line: ['Nothing has happened there yet.'] }]
      : [{ kind: 'list' as const, items: lines }]),
    ...(untold === 0
      ? []
      : [
          {
            kind: 'note' as const,
            line: [`${untold.toLocaleString('en')} of these are in the console alone`],
          },
        ]),
  ];
}

const query = ({ target, startedAt, stoppedAt }: Incident): string =>
  [`target:${target}`, `after:${startedAt}`, stoppedAt && `before:${stoppedAt}`]
    .filter(Boolean)
    .join(' ');

const consoleButtons = (incident: Incident, publicUrl: string): readonly Button[] => [
  {
    label: 'Open in the console',
    action: 'audit-incident',
    url: `${publicUrl}/incidents/${incident.id}`,
  },
  {
    label: 'Its records',
    action: 'audit-console',
    url: searchLink(publicUrl, query(incident)),
  },
];

/** What happened since the message before; `more` of it is in the console alone. */
export function happenedPost(
  { name }: Incident,
  happened: readonly Happened[],
  more: number,
  publicUrl: string,
): Post {
  return {
    summary: `${name}: ${happened.length + more} more`,
    parts: [
      { kind: 'list', items: happened.map((one) => happenedLine(one, publicUrl)) },
      ...(more === 0
        ? []
        : [{ kind: 'note' as const, line: [`and ${more} more, in the console alone`] }]),
    ],
  };
}

function happenedLine(
  { at, person = '', target, words, record }: Happened,
  publicUrl: string,
): Line {
  return [
    { text: minute(at), at },
    ` ${oneLine(person)} on ${oneLine(target)}: ${oneLine(words)} `,
    { text: record.slice(0, 8), link: `${publicUrl}/records/${record}` },
  ];
}

/** What was worth telling, in its order, and where all of it is to be had with its proofs. */
export function timelinePost(
  incident: Incident,
  happened: readonly Happened[],
  more: number,
  publicUrl: string,
): Post {
  const asked = new URLSearchParams({
    q: query(incident),
    format: 'ndjson',
    proofs: 'true',
    limit: '10000',
  });
  const { parts } = happenedPost(incident, happened, more, publicUrl);
  return {
    summary: `Timeline of ${incident.name}`,
    title: `Timeline of ${incident.name}`,
    parts: [
      { kind: 'text', line: times(incident.startedAt, incident.stoppedAt) },
      ...countsOf(incident),
      ...(happened.length === 0
        ? []
        : [
            { kind: 'text' as const, line: [{ text: 'In order', style: 'bold' as const }] },
            ...parts,
          ]),
      {
        kind: 'note',
        line: [
          'The export holds each record with its proof; countersign audit verify --bundle checks it without us. It asks for a sign-in, and is itself recorded.',
        ],
      },
      {
        kind: 'buttons',
        buttons: [
          ...consoleButtons(incident, publicUrl),
          {
            label: 'Export with proofs',
            action: 'audit-export',
            url: `${publicUrl}/records/export?${asked.toString()}`,
          },
        ],
      },
    ],
  };
}
