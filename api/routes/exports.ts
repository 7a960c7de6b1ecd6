import { Readable } from 'node:stream';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import type { ExportedTurn } from '../../stores/postgres/conversations.ts';
import type { App, AppDependencies } from '../app.ts';

/** Rows read at a time: an export of any length needs the memory of one page, and holds no connection between pages. */
const page = 500;

/** Everything that visitors asked, for other systems. */
export function exportRoutes(app: App, { stores }: Pick<AppDependencies, 'stores'>): void {
  app.get(
    '/conversations/export',
    {
      config: { scope: 'conversations', role: 'viewer' },
      schema: {
        tags: ['Conversations'],
        summary: 'Every turn, oldest first, streamed as JSON or CSV',
        querystring: z.object({
          format: z.enum(['json', 'csv']).default('json'),
          from: z.iso.datetime({ offset: true }).optional(),
          to: z.iso.datetime({ offset: true }).optional(),
        }),
      },
    },
    async ({ projectId, query }, reply) => {
      const { format, from, to } = query;
      const pages = async function* () {
        for (let after: string | undefined; ; ) {
          const turns = await stores.conversations.exportPage(projectId, { from, to, after, limit: page });
          if (turns.length > 0) yield turns;
          if (turns.length < page) return;
          after = turns.at(-1)!.turnId;
        }
      };
      const parts = format === 'csv' ? csv(pages()) : json(pages());
      return reply
        .header(
          'content-type',
          format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8',
        )
        .header('content-disposition', `attachment; filename="conversations.${format}"`)
        .header('cache-control', 'no-store')
        .send(Readable.from(parts, { objectMode: false }));
    },
  );
}

async function* json(pages: AsyncIterable<ExportedTurn[]>): AsyncGenerator<string> {
  yield '{"turns":[';
  let separator = '\n';
  for await (const turns of pages) {
    yield separator + turns.map((turn) => JSON.stringify(turn)).join(',\n');
    separator = ',\n';
  }
  yield '\n]}\n';
}

const columns = [
  'conversationId',
  'sessionId',
  'turnId',
  'createdAt',
  'finishedAt',
  'status',
  'message',
  'reply',
  'confidence',
  'promptTokens',
  'completionTokens',
  'rating',
  'feedback',
  'sources',
  'errorCode',
  'errorMessage',
] as const;

async function* csv(pages: AsyncIterable<ExportedTurn[]>): AsyncGenerator<string> {
  const options = {
    columns: [...columns],
    record_delimiter: 'windows',
    // What a visitor wrote must not run as a formula in somebody's spreadsheet.
    escape_formulas: true,
    cast: { date: (value: Date) => value.toISOString() },
  } as const;
  // The mark by which spreadsheets know UTF-8.
  yield `\uFEFF${columns.join(',')}\r\n`;
  for await (const turns of pages) {
    yield stringify(
      turns.map((turn) => ({ ...turn, sources: turn.sources.map(({ title }) => title).join('; ') })),
      options,
    );
  }
}
