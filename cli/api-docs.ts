// Writes what is generated from the code: docs/openapi.json, docs/postman.json and docs/errors.md.
import { writeFile } from 'node:fs/promises';
import { generatedDocs } from '../api/reference/files.ts';

for (const [name, text] of Object.entries(await generatedDocs())) {
  await writeFile(new URL(`../docs/${name}`, import.meta.url), text);
  console.log(`docs/${name}`);
}
