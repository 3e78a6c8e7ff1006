import type { Element } from './xml.ts';

type Options = {
  /** Left out, with what is in it: an enveloped signature. */
  readonly without?: Element | undefined;
  /** PrefixList of InclusiveNamespaces; `#default` is the default namespace. */
  readonly inclusive: readonly string[];
};

/**
 * Exclusive XML Canonicalization 1.0 (W3C, 2002) of an element that holds no comments. Not injective by itself, so
 * whoever has checked a signature over it reads this text, and not the element.
 */
export function canonical(element: Element, options: Options): string {
  return render(element, new Map(), options);
}

function render(element: Element, above: ReadonlyMap<string, string>, options: Options): string {
  const { prefix, local, attributes, children } = element;
  const name = prefix === '' ? local : `${prefix}:${local}`;
  const rendered = new Map(above);
  const namespaces = usedPrefixes(element, options.inclusive)
    .toSorted(byCodePoint)
    .flatMap((used) => {
      const uri = element.scope.get(used) ?? '';
      if ((rendered.get(used) ?? '') === uri) return [];
      rendered.set(used, uri);
      return ` ${used === '' ? 'xmlns' : `xmlns:${used}`}="${escapeAttribute(uri)}"`;
    });
  const sorted = attributes
    .toSorted((a, b) => byCodePoint(a.namespace, b.namespace) || byCodePoint(a.local, b.local))
    .map((each) => {
      const key = each.prefix === '' ? each.local : `${each.prefix}:${each.local}`;
      return ` ${key}="${escapeAttribute(each.value)}"`;
    });
  const inside = children
    .filter((child) => child !== options.without)
    .map((child) =>
      typeof child === 'string' ? escapeText(child) : render(child, rendered, options),
    );
  return `<${name}${namespaces.join('')}${sorted.join('')}>${inside.join('')}</${name}>`;
}

function usedPrefixes({ prefix, attributes, scope }: Element, inclusive: readonly string[]) {
  const named = inclusive
    .map((each) => (each === '#default' ? '' : each))
    .filter((each) => scope.has(each));
  const used = attributes.map((each) => each.prefix).filter((each) => each !== '');
  return [...new Set([prefix, ...used, ...named])].filter((each) => each !== 'xml');
}

const byCodePoint = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));

const escapeText = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#xD;');

const escapeAttribute = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#x9;')
    .replaceAll('\n', '&#xA;')
    .replaceAll('\r', '&#xD;');
