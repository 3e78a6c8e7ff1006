import { refuse } from './refuse.ts';

/** An element as read from a text that is wholly understood: elements, attributes and characters, and nothing else. */
export type Element = {
  readonly prefix: string;
  readonly local: string;
  /** Empty for none. */
  readonly namespace: string;
  readonly attributes: readonly Attribute[];
  /** Every namespace in scope here, by prefix; the default one under the empty prefix. */
  readonly scope: Scope;
  readonly children: readonly (Element | string)[];
};
export type Attribute = {
  readonly prefix: string;
  readonly local: string;
  readonly namespace: string;
  readonly value: string;
};
export type Scope = ReadonlyMap<string, string>;

/** The element and all below it, in the order of the text. */
export function* everything(element: Element): Generator<Element> {
  yield element;
  for (const child of element.children) if (typeof child !== 'string') yield* everything(child);
}

export const elementsOf = (element: Element): readonly Element[] =>
  element.children.filter((child) => typeof child !== 'string');

export const isNamed = (element: Element, namespace: string, local: string): boolean =>
  element.namespace === namespace && element.local === local;

export const childrenOf = (
  element: Element,
  namespace: string,
  local: string,
): readonly Element[] => elementsOf(element).filter((child) => isNamed(child, namespace, local));

/** The only child of this name, or undefined for none; several are refused. */
export function childOf(element: Element, namespace: string, local: string): Element | undefined {
  const [first, second] = childrenOf(element, namespace, local);
  return second ? refuse(`it holds ${local} twice`) : first;
}

export const theChildOf = (element: Element, namespace: string, local: string): Element =>
  childOf(element, namespace, local) ?? refuse(`it holds no ${local}`);

/** Undefined when it has none. Only attributes without a namespace: SAML has no others. */
export const attributeOf = (element: Element, local: string): string | undefined =>
  element.attributes.find((each) => each.local === local && each.namespace === '')?.value;

export const theAttributeOf = (element: Element, local: string): string =>
  attributeOf(element, local) ?? refuse(`${element.local} has no ${local}`);

/** The characters of an element that holds nothing else. */
export function textOf(element: Element): string {
  return element.children
    .map((child) => (typeof child === 'string' ? child : refuse(`${element.local} holds elements`)))
    .join('')
    .trim();
}
