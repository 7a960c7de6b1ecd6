import { openApiDocument } from './document.ts';
import { errorPage } from './error-page.ts';
import { postmanCollection } from './postman.ts';

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** The generated files of docs/, by name. */
export async function generatedDocs(): Promise<Record<string, string>> {
  const document = await openApiDocument();
  return {
    'openapi.json': json(document),
    'postman.json': json(postmanCollection(document)),
    'errors.md': errorPage(),
  };
}
