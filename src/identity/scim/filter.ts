import { bad } from './error.ts';
import { attributeOf, type Attribute, type Schema } from './schema.ts';

export type Operator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le';
export type Plain = string | boolean;

/** Where a value stands: an attribute, and with complex ones the part of it. */
export type Place = { readonly attribute: Attribute; readonly sub?: Attribute };

/** RFC 7644 section 3.4.2.2. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly of: Filter }
  | {
      readonly kind: 'compare';
      readonly place: Place;
      readonly operator: Operator;
      readonly value: Plain | null;
    }
  | { readonly kind: 'present'; readonly place: Place }
  /** `emails[type eq "work"]`: one value for which all of it holds. */
  | { readonly kind: 'values'; readonly attribute: Attribute; readonly filter: Filter };

const OPERATORS: readonly Operator[] = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'];
const TOKEN = /\s*(?:([()[\]])|("(?:[^"\\]|\\.)*")|([^\s()[\]"]+))/uy;
const LONGEST = 4_000;
const MOST = 100;
const DEEPEST = 20;

/** Throws ScimError `invalidFilter`. Names that the schema does not know are refused: a slip would find nothing. */
export function parseFilter(schema: Schema, text: string): Filter {
  const parser = new Parser(tokens(text), (name) => placeOf(schema, name));
  return parser.whole();
}

/** The filter between the brackets of `members[…]`, over the parts of that attribute. */
export function parseValueFilter(attribute: Attribute, text: string): Filter {
  return new Parser(tokens(text), (name) => partOf(attribute, name)).whole();
}

function partOf(attribute: Attribute, name: string): Place {
  const sub = attributeOf(attribute.subAttributes, name);
  if (!sub) throw invalid(`${attribute.name} has no ${shown(name)}`);
  return { attribute: sub };
}

const invalid = (what: string) => bad('invalidFilter', `The filter cannot be read: ${what}.`);
const shown = (text: string): string => JSON.stringify(text.slice(0, 60));

function tokens(text: string): string[] {
  if (text.length > LONGEST) throw invalid(`it is longer than ${LONGEST} characters`);
  const found: string[] = [];
  const trimmed = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < trimmed.length) {
    const match = TOKEN.exec(trimmed);
    if (!match) throw invalid('a quotation mark is open');
    found.push(match[1] ?? match[2] ?? match[3] ?? '');
  }
  return found;
}

class Parser {
  readonly #tokens: readonly string[];
  readonly #place: (name: string) => Place;
  #at = 0;
  #comparisons = 0;

  constructor(all: readonly string[], place: (name: string) => Place) {
    this.#tokens = all;
    this.#place = place;
  }

  whole(): Filter {
    const filter = this.#or(0);
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw invalid(`${shown(rest)} is not expected there`);
    return filter;
  }

  #or(depth: number): Filter {
    if (depth > DEEPEST) throw invalid(`it is deeper than ${DEEPEST} brackets`);
    let left = this.#and(depth);
    while (this.#takeWord('or')) left = { kind: 'or', left, right: this.#and(depth) };
    return left;
  }

  #and(depth: number): Filter {
    let left = this.#term(depth);
    while (this.#takeWord('and')) left = { kind: 'and', left, right: this.#term(depth) };
    return left;
  }

  #term(depth: number): Filter {
    const negated = this.#takeWord('not');
    if (negated || this.#tokens[this.#at] === '(') {
      this.#expect('(');
      const inner = this.#or(depth + 1);
      this.#expect(')');
      return negated ? { kind: 'not', of: inner } : inner;
    }
    return this.#comparison();
  }

  #comparison(): Filter {
    if (++this.#comparisons > MOST) throw invalid(`it has more than ${MOST} comparisons`);
    const name = this.#next('the name of an attribute');
    const place = this.#place(name);
    return this.#tokens[this.#at] === '[' ? this.#values(place.attribute) : this.#operation(place);
  }

  #operation(place: Place): Filter {
    const word = this.#next('an operator').toLowerCase();
    if (word === 'pr') return { kind: 'present', place };
    const operator = OPERATORS.find((one) => one === word);
    if (!operator) throw invalid(`${shown(word)} is no operator`);
    return comparison(place, operator, constant(this.#next('a value')));
  }

  #values(attribute: Attribute): Filter {
    const open = ++this.#at;
    const close = this.#tokens.indexOf(']', open);
    if (close < 0) throw invalid('a bracket is open');
    const inner = this.#tokens.slice(open, close).join(' ');
    this.#at = close + 1;
    if (!attribute.multiValued) throw invalid(`${attribute.name} has no values to choose from`);
    const filter = parseValueFilter(attribute, inner);
    // Entra ID: emails[type eq "work"].value eq "…".
    const part = this.#tokens[this.#at];
    if (!part?.startsWith('.')) return { kind: 'values', attribute, filter };
    this.#at += 1;
    const right = this.#operation(partOf(attribute, part.slice(1)));
    return { kind: 'values', attribute, filter: { kind: 'and', left: filter, right } };
  }

  #next(what: string): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || '()[]'.includes(token)) throw invalid(`${what} is missing`);
    this.#at += 1;
    return token;
  }

  #takeWord(word: string): boolean {
    const found = this.#tokens[this.#at]?.toLowerCase() === word;
    if (found) this.#at += 1;
    return found;
  }

  #expect(token: string): void {
    if (this.#tokens[this.#at] !== token) throw invalid(`${token} is missing`);
    this.#at += 1;
  }
}

/** `userName`, `name.givenName`, `urn:ietf:params:scim:schemas:core:2.0:User:emails.value`. */
function placeOf(schema: Schema, written: string): Place {
  const urn = `${schema.id}:`;
  const bare = written.toLowerCase().startsWith(urn.toLowerCase())
    ? written.slice(urn.length)
    : written;
  const [name = '', part, ...more] = bare.split('.');
  const attribute = attributeOf(schema.attributes, name);
  if (!attribute || more.length > 0)
    throw invalid(`${schema.name} has no attribute ${shown(written)}`);
  // A complex attribute stands for its value (RFC 7644 section 3.4.2.2, as `emails eq`).
  const sub =
    part !== undefined || attribute.multiValued
      ? attributeOf(attribute.subAttributes, part ?? 'value')
      : undefined;
  if (part !== undefined && !sub) throw invalid(`${attribute.name} has no ${shown(part)}`);
  return { attribute, ...(sub && { sub }) };
}

function constant(token: string): Plain | null {
  if (token.startsWith('"')) {
    try {
      const text: unknown = JSON.parse(token);
      if (typeof text === 'string') return text;
    } catch {
      // Said below.
    }
    throw invalid('a text in it is not well-formed');
  }
  const word = token.toLowerCase();
  if (word === 'true') return true;
  if (word === 'false') return false;
  if (word === 'null') return null;
  throw invalid(`${shown(token)} is no value; texts stand in quotation marks`);
}

function comparison(place: Place, operator: Operator, value: Plain | null): Filter {
  const { type, name } = place.sub ?? place.attribute;
  if (type === 'complex') throw invalid(`${name} is compared by its parts`);
  if (type === 'boolean') {
    // Entra ID quotes them.
    const flag = typeof value === 'string' ? ofWord(value) : value;
    if (typeof flag !== 'boolean' || (operator !== 'eq' && operator !== 'ne'))
      throw invalid(`${name} is compared with eq or ne, and true or false`);
    return { kind: 'compare', place, operator, value: flag };
  }
  if (typeof value === 'boolean' || (value === null && operator !== 'eq' && operator !== 'ne'))
    throw invalid(`${name} is compared with a text`);
  return { kind: 'compare', place, operator, value };
}

const ofWord = (word: string): boolean | undefined =>
  new Map([
    ['true', true],
    ['false', false],
  ]).get(word.toLowerCase());
