import { suite, test } from 'node:test';
import { encryptXml } from '../fakes/saml-encrypt.ts';
import {
  assertionXml,
  responseXml,
  type SignOptions,
  signXml,
  type Words,
} from '../fakes/saml-idp.ts';
import { AS_VICTIM, samlWorld } from './saml-world.ts';

const world = samlWorld({ own: true });
const respond = (inside: string, inResponseTo: string) =>
  world.current.respond(inside, inResponseTo);
const signed = (inResponseTo: string, words?: Partial<Words>, sign?: SignOptions) =>
  world.current.signed(inResponseTo, words, sign);
/** What the provider could say, and has not signed. */
const unsigned = (inResponseTo: string, words: Partial<Words> = {}) =>
  assertionXml(world.current.saml.sp, { inResponseTo, ...words });

suite('answers of a SAML provider that are for somebody else, or for another time', () => {
  const lies: readonly [string, (inResponseTo: string) => string, RegExp][] = [
    [
      'another audience',
      (id) => respond(signed(id, { audience: 'https://else.example' }), id),
      /another audience/,
    ],
    [
      'another recipient',
      (id) => respond(signed(id, { recipient: 'https://else.example/acs' }), id),
      /another recipient/,
    ],
    [
      'another destination',
      (id) =>
        responseXml(world.current.saml.sp, signed(id), {
          inResponseTo: id,
          destination: 'https://else.example',
        }),
      /somebody else/,
    ],
    [
      'another issuer of the assertion',
      (id) => respond(signed(id, { issuer: 'https://evil.example' }), id),
      /another provider/,
    ],
    [
      'another issuer of the response',
      (id) =>
        responseXml(world.current.saml.sp, signed(id), {
          inResponseTo: id,
          issuer: 'https://evil.example',
        }),
      /another provider/,
    ],
    ['expired conditions', (id) => respond(signed(id, { notOnOrAfter: -60_000 }), id), /expired/],
    [
      'an expired confirmation',
      (id) => respond(signed(id, { confirmedUntil: -60_000 }), id),
      /expired/,
    ],
    [
      'conditions of the future',
      (id) => respond(signed(id, { notBefore: 120_000 }), id),
      /not valid yet/,
    ],
    [
      'an assertion of the future',
      (id) => respond(signed(id, { issued: 120_000 }), id),
      /in the future/,
    ],
    [
      'a sign-in of the future',
      (id) => respond(signed(id, { authInstant: 120_000 }), id),
      /in the future/,
    ],
    [
      'a response to another request than its assertion',
      (id) => respond(signed('_other'), id),
      /answers another request/,
    ],
    [
      'a condition that nobody understands',
      (id) =>
        respond(
          signXml(
            unsigned(id).replace('</saml:Conditions>', '<saml:Condition/></saml:Conditions>'),
            world.current.idp.key,
          ),
          id,
        ),
      /not understood/,
    ],
    [
      'encrypted by somebody, signed by nobody',
      (id) => respond(encryptXml(unsigned(id, AS_VICTIM), world.current.idp.own?.cert ?? ''), id),
      /is not signed/,
    ],
    [
      'encrypted and signed by somebody else',
      (id) =>
        respond(
          encryptXml(
            signXml(unsigned(id, AS_VICTIM), world.current.mallory.key),
            world.current.idp.own?.cert ?? '',
          ),
          id,
        ),
      /not by one of/,
    ],
    [
      'encrypted for somebody else',
      (id) => respond(encryptXml(signed(id), world.current.mallory.cert), id),
      /cannot be decrypted/,
    ],
    [
      'a key encrypted with RSA 1.5',
      (id) =>
        respond(encryptXml(signed(id), world.current.idp.own?.cert ?? '', { wrap: 'rsa-1_5' }), id),
      /RSA-OAEP/,
    ],
    [
      'encrypted with 3DES',
      (id) =>
        respond(
          encryptXml(signed(id), world.current.idp.own?.cert ?? '', { cipher: 'tripledes-cbc' }),
          id,
        ),
      /not with AES/,
    ],
    [
      'two assertions in one encryption',
      (id) =>
        respond(
          encryptXml(`<x>${signed(id)}${signed(id)}</x>`, world.current.idp.own?.cert ?? ''),
          id,
        ),
      /not exactly one assertion/,
    ],
  ];
  for (const [what, make, why] of lies) test(what, () => world.current.refused(make, why));
});
