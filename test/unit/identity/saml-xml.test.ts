import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { suite, test } from 'node:test';
import { SignedXml } from 'xml-crypto';
import { canonical } from '#src/identity/saml/canonical.ts';
import { readXml } from '#src/identity/saml/parse.ts';

// The one that xml-crypto brings.
const { DOMParser } = createRequire(import.meta.resolve('xml-crypto'))('@xmldom/xmldom');

suite('XML', () => {
  test('canonical text is what xml-crypto makes of it', () => {
    const texts = [
      '<a:x xmlns:a="urn:a" xmlns:b="urn:b" xmlns="urn:d" z="1" b:y="2" a:y="3"><y xmlns=""><b:z/></y><y/></a:x>',
      '<x xmlns="urn:d" xmlns:u="urn:unused">&lt;&amp;&gt;"\'&#13;&#10;\t<y a="&lt;&amp;&gt;&quot;&#9;&#10;&#13;\'"/></x>',
      '<p:x xmlns:p="urn:1"><p:x xmlns:p="urn:2"><p:x xmlns:p="urn:1"/></p:x></p:x>',
    ];
    for (const text of texts) {
      const signed = new SignedXml();
      const ours = canonical(readXml(text), { inclusive: [] });
      const theirs = signed.getCanonXml(
        ['http://www.w3.org/2001/10/xml-exc-c14n#'],
        new DOMParser().parseFromString(text).documentElement,
      );
      assert.equal(ours, theirs);
      assert.equal(canonical(readXml(ours), { inclusive: [] }), ours);
    }
  });
  const bad: Readonly<Record<string, string>> = {
    'a comment': '<a>x<!-- y -->z</a>',
    CDATA: '<a><![CDATA[x]]></a>',
    'a processing instruction': '<a><?x y?></a>',
    'a DTD': '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
    'an unknown entity': '<a>&nbsp;</a>',
    'a bare ampersand': '<a>a & b</a>',
    'a character that XML has not': '<a>&#0;</a>',
    'two roots': '<a/><b/>',
    'text after the root': '<a/>x',
    'an element that is not closed': '<a><b></a>',
    nothing: '',
    'an attribute twice': '<a x="1" x="2"/>',
    'an attribute twice by namespace': '<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>',
    'an attribute without quotes': '<a x=1/>',
    'a prefix without a namespace': '<p:a/>',
    'a prefix that is taken away': '<a xmlns:p="u"><b xmlns:p=""/></a>',
    'an id twice': '<a ID="x"><b Id="x"/></a>',
    'too deep': '<a>'.repeat(41) + '</a>'.repeat(41),
    'too many elements': `<a>${'<b/>'.repeat(5_001)}</a>`,
    'too many namespaces': `<a ${Array.from({ length: 33 }, (_, i) => `xmlns:p${i}="u"`).join(' ')}/>`,
    'too long': `<a>${' '.repeat(262_145)}</a>`,
  };
  for (const [what, text] of Object.entries(bad))
    test(`${what} is refused`, () => {
      assert.throws(() => readXml(text), { name: 'SamlRefused' });
    });
});
