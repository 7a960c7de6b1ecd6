import { errorRemedies } from '../../domain/error-remedies.ts';
import { type ErrorCode, errorTable } from '../../domain/errors.ts';

/** docs/errors.md: every code with its status, its usual text, and what to do about it. */
export function errorPage(): string {
  const codes = (Object.keys(errorTable) as ErrorCode[]).sort();
  const rows = codes.map((code) => {
    const [status, message] = errorTable[code];
    return `| \`${code}\` | ${status} | ${message} | ${errorRemedies[code] ?? ''} |`;
  });
  return `# Errors

Generated from \`domain/errors.ts\` by \`npm run api-docs\`.

Every error of the native API is JSON: \`{code, error, message, stage?, details?, requestId}\`. \`error\` repeats the code, \`message\` is
for people and may change, and \`requestId\` stands in the logs. The routes that other systems' clients call answer in those systems' shapes.

| Code | Status | Message | What to do |
|---|---|---|---|
${rows.join('\n')}
`;
}
