import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type JsonSchema, type OpenApiDocument, openApiDocument } from '../api/reference/document.ts';
import { generatedDocs } from '../api/reference/files.ts';
import { errorRemedies } from '../domain/error-remedies.ts';
import { errorTable } from '../domain/errors.ts';

const document: OpenApiDocument = await openApiDocument();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
);

test('docs/ holds what the code says; `npm run api-docs` writes it', async () => {
  for (const [name, text] of Object.entries(await generatedDocs())) {
    const written = await readFile(new URL(`../docs/${name}`, import.meta.url), 'utf8');
    expect(written === text, `docs/${name} is out of date: run \`npm run api-docs\``).toBe(true);
  }
});

test('it is OpenAPI 3.1, and every operation has a summary, a tag, a security and its replies', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(operations.length).toBeGreaterThan(8);
  for (const { name, operation } of operations) {
    expect(operation.summary, name).toBeTruthy();
    expect(operation.tags?.length, name).toBeGreaterThan(0);
    expect(operation.security, name).toBeDefined();
    const statuses = Object.keys(operation.responses);
    expect(
      statuses.some((status) => /^[23]/.test(status)),
      `${name} states no success`,
    ).toBe(true);
    expect(statuses, name).toContain('500');
  }
});

test('every path parameter is stated, and every reference leads somewhere', () => {
  for (const { name, path, operation } of operations) {
    const stated = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(stated.map((parameter) => parameter.name).sort(), name).toEqual(
      [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter).sort(),
    );
  }
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
  for (const reference of new Set(references)) {
    let found: unknown = document;
    for (const part of reference.split('/')) found = (found as Record<string, unknown>)[part];
    expect(found as JsonSchema, reference).toBeDefined();
  }
});

test('what a route needs and how it can fail is stated', () => {
  const { get } = document.paths['/documents']!;
  expect(get).toMatchObject({
    'x-scope': 'documents',
    'x-role': 'viewer',
    security: [{ apiKey: ['documents'] }, { widgetKey: ['documents'] }, { bearer: ['viewer'] }],
  });
  expect(JSON.stringify(get!.responses['401'])).toContain('INVALID_API_KEY');
  expect(JSON.stringify(document.paths['/chat']!.post!.responses['429'])).toContain('TOKEN_LIMIT_EXCEEDED');
  expect(document.paths['/health']!.get!.security).toEqual([]);
});

test('every error has its line in the catalogue, and remedies are for errors that exist', async () => {
  const page = await readFile(new URL('../docs/errors.md', import.meta.url), 'utf8');
  for (const code of Object.keys(errorTable)) expect(page).toContain(`| \`${code}\` |`);
  for (const code of Object.keys(errorRemedies)) expect(errorTable).toHaveProperty(code);
});
