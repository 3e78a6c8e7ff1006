import { refuse } from './refuse.ts';
import { type Element, everything, type Scope } from './xml.ts';

type Open = Element & { readonly name: string; readonly children: (Element | string)[] };

const LONGEST = 262_144;
const DEEPEST = 40;
const MOST_ELEMENTS = 5_000;
const MOST_NAMESPACES = 32;

const NAME = '[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?';
const SPACE = '[ \\t\\n]';
const VALUE = `"[^"<]*"|'[^'<]*'`;
const DECLARATION =
  /^<\?xml[ \t\n]+version=["']1\.0["'](?:[ \t\n]+encoding=["'][Uu][Tt][Ff]-8["'])?(?:[ \t\n]+standalone=["'](?:yes|no)["'])?[ \t\n]*\?>/;
const TAG = new RegExp(
  `<(?:/(${NAME})${SPACE}*|(${NAME})((?:${SPACE}+${NAME}${SPACE}*=${SPACE}*(?:${VALUE}))*)${SPACE}*(/?))>`,
  'y',
);
const ATTRIBUTE = new RegExp(`(${NAME})${SPACE}*=${SPACE}*(${VALUE})`, 'g');
const ILLEGAL = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const XML = 'http://www.w3.org/XML/1998/namespace';
const OUTSIDE: Scope = new Map([['xml', XML]]);

/**
 * Reads a namespace-aware subset of XML 1.0. Comments, CDATA, processing instructions, DTDs and with them entities are
 * refused, so that text comes in one piece, nothing grows, and no other reader sees another document. Ids are unique.
 * Throws NotWelcome for everything else, also for what is too long (256 Ki characters), too deep or too much.
 */
export function readXml(given: string): Element {
  if (given.length > LONGEST) refuse('it is larger than 256 KiB');
  const text = given.replaceAll(/\r\n?/g, '\n').replace(DECLARATION, '');
  if (ILLEGAL.test(text)) refuse('it holds characters that XML does not have');
  if (text.includes('<!') || text.includes('<?'))
    refuse('it holds a comment, a CDATA section, a processing instruction or a DTD');
  const root = readTree(text);
  checkIds(root);
  return root;
}

function readTree(text: string): Element {
  const stack: Open[] = [];
  const roots: Element[] = [];
  let elements = 0;
  for (const token of tokens(text)) {
    if (typeof token === 'string') takeText(stack.at(-1), token);
    else {
      const opened = takeTag(stack, token);
      if (!opened) continue;
      if ((elements += 1) > MOST_ELEMENTS) refuse('it is too complicated');
      if (stack.length === 0) roots.push(opened);
      if (token[4] === '') stack.push(opened);
    }
  }
  const [root, second] = roots;
  return root && !second && stack.length === 0 ? root : refuse('it is not one whole document');
}

/** The text piece by piece: characters as they are written, and tags as TAG takes them apart. */
function* tokens(text: string): Generator<string | RegExpExecArray> {
  const tag = new RegExp(TAG);
  for (let at = 0; at < text.length; at = tag.lastIndex) {
    const next = text.indexOf('<', at);
    yield text.slice(at, next < 0 ? text.length : next);
    if (next < 0) return;
    tag.lastIndex = next;
    yield tag.exec(text) ?? refuse('it is not well-formed XML');
  }
}

/** Closes the innermost element, or returns the one that it opens there. */
function takeTag(stack: Open[], [, closes, name = '', attributes = '']: RegExpExecArray) {
  if (closes !== undefined) {
    if (stack.pop()?.name !== closes) refuse('its elements do not nest');
    return undefined;
  }
  if (stack.length >= DEEPEST) refuse('it is too complicated');
  const parent = stack.at(-1);
  const element = openElement(name, attributes, parent?.scope ?? OUTSIDE);
  parent?.children.push(element);
  return element;
}

function takeText(parent: Open | undefined, raw: string): void {
  if (raw === '') return;
  if (parent) parent.children.push(decode(raw));
  else if (/[^ \t\n]/.test(raw)) refuse('there is text outside its root');
}

function openElement(name: string, written: string, outer: Scope): Open {
  const found: { readonly name: string; readonly value: string }[] = [];
  const declared = new Map<string, string>();
  for (const [, key = '', quoted = ''] of written.matchAll(ATTRIBUTE)) {
    const value = decode(quoted.slice(1, -1).replaceAll(/[\t\n]/g, ' '));
    const prefix = key === 'xmlns' ? '' : /^xmlns:(.*)$/.exec(key)?.[1];
    if (prefix === undefined) found.push({ name: key, value });
    else if (declared.has(prefix)) refuse('an attribute is there twice');
    else declared.set(prefix, checkedNamespace(prefix, value));
  }
  const scope = declared.size > 0 ? new Map([...outer, ...declared]) : outer;
  if (scope.size > MOST_NAMESPACES) refuse('it is too complicated');
  const attributes = found.map((each) => ({
    ...named(each.name, scope, ''),
    value: each.value,
  }));
  if (new Set(attributes.map((each) => `${each.namespace} ${each.local}`)).size < found.length)
    refuse('an attribute is there twice');
  return { name, ...named(name, scope, scope.get('') ?? ''), attributes, scope, children: [] };
}

function checkedNamespace(prefix: string, value: string): string {
  const odd = prefix === 'xml' || prefix === 'xmlns' || (prefix !== '' && value === '');
  return odd ? refuse('it declares a namespace that cannot be') : value;
}

function named(
  name: string,
  scope: Scope,
  unprefixed: string,
): Pick<Element, 'prefix' | 'local' | 'namespace'> {
  const colon = name.indexOf(':');
  if (colon < 0) return { prefix: '', local: name, namespace: unprefixed };
  const prefix = name.slice(0, colon);
  const namespace = scope.get(prefix) ?? refuse('a prefix has no namespace');
  return { prefix, local: name.slice(colon + 1), namespace };
}

const PREDEFINED = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

function decode(raw: string): string {
  if (!raw.includes('&')) return raw;
  return raw.replaceAll(/&([^;&]{0,12})(;?)/g, (_whole, name: string, end: string) => {
    const code = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const point = code ? Number.parseInt(code[1] ?? code[2] ?? '', code[1] ? 16 : 10) : undefined;
    const character =
      point === undefined || point > 0x10_ffff ? PREDEFINED.get(name) : String.fromCodePoint(point);
    if (end === '' || character === undefined || ILLEGAL.test(character))
      return refuse('it holds an entity that is not predefined');
    return character;
  });
}

function checkIds(root: Element): void {
  const seen = new Set<string>();
  for (const { attributes } of everything(root))
    for (const { local, value } of attributes)
      if (local.toLowerCase() === 'id') {
        if (seen.has(value)) refuse('an id is there twice');
        seen.add(value);
      }
}
