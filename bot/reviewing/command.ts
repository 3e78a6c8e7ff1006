import { momentOf } from '#src/audit/search/times.ts';

/** What somebody wants who wrote `/audit …`. */
export type Command =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'summary';
      readonly from?: string;
      readonly to?: string;
      readonly target?: string;
    }
  | { readonly kind: 'search'; readonly q: string }
  | {
      readonly kind: 'start';
      readonly name: string;
      readonly target: string;
      readonly note: string;
    }
  | { readonly kind: 'stop'; readonly name: string }
  | { readonly kind: 'list' }
  | Wrong;

/** What cannot be read, and where in the text. */
export type Wrong = {
  readonly kind: 'wrong';
  readonly message: string;
  readonly at: number;
  readonly length: number;
};

type Word = { readonly text: string; readonly at: number };

const TARGET = /^[\w.*-]{1,128}$/;
const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;
const MOST_NOTE = 500;

/** Reads what stands behind `/audit`. Quotation marks that keyboards round are made straight. */
export function readCommand(written: string, now = Date.now()): { text: string; command: Command } {
  const text = written.replaceAll(/[“”„]/g, '"').trim();
  const words = Array.from(text.matchAll(/\S+/g), (match) => ({ text: match[0], at: match.index }));
  const [first, second, ...rest] = words;
  switch (first?.text) {
    case undefined:
    case 'help':
      return { text, command: { kind: 'help' } };
    case 'summary':
      return { text, command: readSummary(words.slice(1), now) };
    case 'incident':
      return { text, command: readIncident(text, second, rest) };
    default:
      return { text, command: { kind: 'search', q: text } };
  }
}

const wrong = ({ text, at }: Word, message: string): Wrong => ({
  kind: 'wrong',
  message,
  at,
  length: text.length,
});

function readSummary(words: readonly Word[], now: number): Command {
  const asked: { from?: string; to?: string; target?: string } = {};
  for (const word of words) {
    const said = termOf(word.text);
    if (said === undefined) continue;
    const [key, value] = said;
    if (key === undefined) return wrong(word, SUMMARY);
    if (asked[key] !== undefined) return wrong(word, 'this is said twice; leave one out');
    if (key === 'target' ? !TARGET.test(value) : momentOf(value, now) === undefined)
      return wrong(word, SUMMARY);
    asked[key] = value;
  }
  if (asked.from === 'yesterday' && asked.to === undefined) asked.to = 'today';
  return { kind: 'summary', ...asked };
}

const SUMMARY = 'write a time such as last 24h, today or after:2026-11-20, and target:prod-*';

type Term = readonly ['from' | 'to' | 'target' | undefined, string];

/** Undefined for a word that says nothing by itself. */
function termOf(text: string): Term | undefined {
  if (text === 'last') return undefined;
  const [, name, value = ''] = /^(after|before|target):(.*)$/.exec(text) ?? [];
  if (name === 'target') return ['target', value];
  if (name !== undefined) return [name === 'after' ? 'from' : 'to', value];
  return [/^[\w.:-]+$/.test(text) ? 'from' : undefined, text];
}

function readIncident(text: string, verb: Word | undefined, rest: readonly Word[]): Command {
  if (verb === undefined || verb.text === 'list') return { kind: 'list' };
  if (verb.text !== 'start' && verb.text !== 'stop')
    return wrong(verb, 'an incident is started, stopped or listed: write start, stop or list');
  const [name = { text: ' ', at: text.length }, ...more] = rest;
  if (!NAME.test(name.text))
    return wrong(name, 'name the incident, with letters, digits, ".", "_" and "-": INC-42');
  if (verb.text === 'start') return readStart(text, name.text, more);
  const [superfluous] = more;
  return superfluous
    ? wrong(superfluous, 'the name of the incident is all that stop needs')
    : { kind: 'stop', name: name.text };
}

function readStart(text: string, name: string, rest: readonly Word[]): Command {
  const [about = { text: ' ', at: text.length }, first] = rest;
  const target = /^target:(.*)$/.exec(about.text)?.[1] ?? '';
  if (!TARGET.test(target))
    return wrong(about, 'say which targets it is about: target:shop, or target:prod-*');
  const note = first ? text.slice(first.at) : '';
  if (first && note.length > MOST_NOTE)
    return wrong(first, `the note has at most ${MOST_NOTE} characters`);
  return { kind: 'start', name, target, note };
}
