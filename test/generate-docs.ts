import { readFile, writeFile } from 'node:fs/promises';
import { generated } from '#src/config/reference.ts';
import { kindTable } from './kind-table.ts';
import { referenceTable } from './search-table.ts';

// Writes what docs/ holds of the configuration's schema and of detectors; a test fails when that was forgotten.
const docs = new URL('../docs/', import.meta.url);
const files = await generated((name) => readFile(new URL(name, docs), 'utf8'));
for (const [name, text] of files) await writeFile(new URL(name, docs), text);

const masking = new URL('masking.md', docs);
const text = await readFile(masking, 'utf8');
const between = /(?<=<!-- kinds -->\n)[^]*?(?=<!-- \/kinds -->)/;
await writeFile(
  masking,
  text.replace(between, () => `\n${kindTable()}\n\n`),
);

const searching = new URL('search.md', docs);
const search = await readFile(searching, 'utf8');
await writeFile(
  searching,
  search.replace(
    /(?<=<!-- qualifiers -->\n)[^]*?(?=<!-- \/qualifiers -->)/,
    () => `${referenceTable()}\n`,
  ),
);
