import { ASSERTION, BEARER, TRANSIENT } from './names.ts';
import { refuse } from './refuse.ts';
import { checkIssuer } from './response.ts';
import { type Clock, checkPast, checkPeriod, theTimeOf, timeOf } from './time.ts';
import {
  attributeOf,
  childOf,
  childrenOf,
  type Element,
  elementsOf,
  isNamed,
  textOf,
  theAttributeOf,
  theChildOf,
} from './xml.ts';

export type Expected = {
  readonly issuer: string;
  /** Our entity id. */
  readonly audience: string;
  /** Where it was posted to. */
  readonly recipient: string;
  /** Id of the request that it answers; undefined when nobody asked for it. */
  readonly request: string | undefined;
  readonly clock: Clock;
};

/** What a provider says of somebody, in its own words; all times in milliseconds since the epoch. */
export type Said = {
  /** Of the assertion; it works once. */
  readonly id: string;
  /** From then on it would be refused in any case. */
  readonly until: number;
  readonly nameId: NameId;
  readonly attributes: ReadonlyMap<string, readonly Element[]>;
  readonly authTime: number;
  readonly acr?: string;
  readonly sessionIndex?: string;
  /** The sign-in may not outlast the session at the provider. */
  readonly sessionUntil?: number;
};

/** Who it is for the provider, with all that it wants back when we speak of them. */
export type NameId = {
  readonly value: string;
  readonly format?: string;
  readonly nameQualifier?: string;
  readonly spNameQualifier?: string;
};

/** Reads a signed assertion (saml-core 2.3.3; saml-profiles 4.1.4.3). Throws NotWelcome with what does not hold. */
export function readAssertion(assertion: Element, expected: Expected): Said {
  const { clock } = expected;
  if (!isNamed(assertion, ASSERTION, 'Assertion') || attributeOf(assertion, 'Version') !== '2.0')
    refuse('it is no assertion of SAML 2.0');
  checkPast(assertion, 'IssueInstant', clock);
  checkIssuer(theChildOf(assertion, ASSERTION, 'Issuer'), expected);
  const subject = theChildOf(assertion, ASSERTION, 'Subject');
  const confirmed = confirmation(subject, expected);
  const conditions = theChildOf(assertion, ASSERTION, 'Conditions');
  checkConditions(conditions, expected);
  const statement = theChildOf(assertion, ASSERTION, 'AuthnStatement');
  const sessionUntil = timeOf(statement, 'SessionNotOnOrAfter');
  if (sessionUntil !== undefined && clock.now - clock.skewMs >= sessionUntil)
    refuse('your session at the provider has ended');
  const context = childOf(statement, ASSERTION, 'AuthnContext');
  const acr = context && childOf(context, ASSERTION, 'AuthnContextClassRef');
  const sessionIndex = attributeOf(statement, 'SessionIndex');
  return {
    id: theAttributeOf(assertion, 'ID'),
    until: Math.max(confirmed, timeOf(conditions, 'NotOnOrAfter') ?? 0) + clock.skewMs,
    nameId: readNameId(subject),
    attributes: attributesOf(assertion),
    authTime: checkPast(statement, 'AuthnInstant', clock),
    ...(acr && { acr: textOf(acr) }),
    ...(sessionIndex !== undefined && { sessionIndex }),
    ...(sessionUntil !== undefined && { sessionUntil }),
  };
}

/** One bearer confirmation must be for us, for this request, and for now. Resolves to when it ends. */
function confirmation(subject: Element, { recipient, request, clock }: Expected): number {
  const bearers = childrenOf(subject, ASSERTION, 'SubjectConfirmation').filter(
    (each) => attributeOf(each, 'Method') === BEARER,
  );
  const [only, second] = bearers;
  if (!only || second) return refuse('it is not confirmed for exactly one bearer');
  const data = theChildOf(only, ASSERTION, 'SubjectConfirmationData');
  if (theAttributeOf(data, 'Recipient') !== recipient) refuse('it is for another recipient');
  if (attributeOf(data, 'InResponseTo') !== request) refuse('it answers another request');
  checkPeriod(data, clock);
  return theTimeOf(data, 'NotOnOrAfter');
}

const KNOWN_CONDITIONS = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction'];

function checkConditions(conditions: Element, { audience, clock }: Expected): void {
  checkPeriod(conditions, clock);
  for (const each of elementsOf(conditions))
    if (each.namespace !== ASSERTION || !KNOWN_CONDITIONS.includes(each.local))
      refuse('it has a condition that is not understood');
  const restrictions = childrenOf(conditions, ASSERTION, 'AudienceRestriction');
  // Each of them must name us (saml-core 2.5.1.4).
  const forUs = restrictions.every((each) =>
    childrenOf(each, ASSERTION, 'Audience').some((one) => textOf(one) === audience),
  );
  if (restrictions.length === 0 || !forUs) refuse('it is for another audience');
}

/** The NameID of a subject or a logout request. */
export function readNameId(holder: Element): NameId {
  const element = theChildOf(holder, ASSERTION, 'NameID');
  const value = textOf(element);
  if (value === '' || value.length > 255) refuse('its NameID is empty or too long');
  const format = attributeOf(element, 'Format');
  if (format === TRANSIENT)
    refuse(
      'its NameID is transient, another one each time: the operator has to choose persistent or e-mail at the provider',
    );
  const nameQualifier = attributeOf(element, 'NameQualifier');
  const spNameQualifier = attributeOf(element, 'SPNameQualifier');
  return {
    value,
    ...(format !== undefined && { format }),
    ...(nameQualifier !== undefined && { nameQualifier }),
    ...(spNameQualifier !== undefined && { spNameQualifier }),
  };
}

/** Values by name; some providers write an attribute once for each value. */
function attributesOf(assertion: Element): ReadonlyMap<string, readonly Element[]> {
  const found = new Map<string, Element[]>();
  for (const statement of childrenOf(assertion, ASSERTION, 'AttributeStatement'))
    for (const attribute of childrenOf(statement, ASSERTION, 'Attribute')) {
      const name = theAttributeOf(attribute, 'Name');
      const values = childrenOf(attribute, ASSERTION, 'AttributeValue');
      found.set(name, [...(found.get(name) ?? []), ...values]);
    }
  return found;
}
