import { readFile, writeFile } from 'node:fs/promises';
import { generated } from '#src/config/reference.ts';

// Writes what docs/ holds of the configuration's schema; a test fails when that was forgotten.
const docs = new URL('../docs/', import.meta.url);
const files = await generated((name) => readFile(new URL(name, docs), 'utf8'));
for (const [name, text] of files) await writeFile(new URL(name, docs), text);
