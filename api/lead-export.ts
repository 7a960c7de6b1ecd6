import { Readable } from 'node:stream';
import { stringify } from 'csv-stringify';
import type { FastifyReply } from 'fastify';
import type { LeadField } from '../domain/leads.ts';
import type { Lead } from '../stores/postgres/leads.ts';

/** Sends leads as they are read: memory stays flat, however many there are. */
export function sendExport(
  reply: FastifyReply,
  format: 'csv' | 'json',
  leads: AsyncIterable<Lead>,
  fields: readonly LeadField[],
): FastifyReply {
  return reply
    .header('content-disposition', `attachment; filename="leads.${format}"`)
    .header('cache-control', 'no-store')
    .type(format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8')
    .send(format === 'csv' ? csvOf(leads, fields) : Readable.from(jsonOf(leads), { objectMode: false }));
}

/** Leads as a spreadsheet opens them: no cell is taken for a formula (OWASP's rule for CSV injection). */
function csvOf(leads: AsyncIterable<Lead>, fields: readonly LeadField[]): Readable {
  const columns = [
    'id',
    'name',
    'email',
    'status',
    'assignee',
    'tags',
    ...fields.map(({ label }) => label),
    'language',
    'consentVersion',
    'consentAt',
    'createdAt',
    'verifiedAt',
    'updatedAt',
  ];
  async function* rows() {
    for await (const lead of leads) {
      yield [
        lead.id,
        lead.name,
        lead.email,
        lead.status,
        lead.assignee ?? '',
        lead.tags.join(', '),
        ...fields.map(({ key }) => lead.fields[key] ?? ''),
        lead.language,
        lead.consent?.version ?? '',
        lead.consent?.at ?? '',
        lead.createdAt.toISOString(),
        lead.verifiedAt?.toISOString() ?? '',
        lead.updatedAt.toISOString(),
      ];
    }
  }
  const csv = stringify({
    columns,
    header: true,
    bom: true,
    escape_formulas: true,
    record_delimiter: 'windows',
  });
  const source = Readable.from(rows());
  source.once('error', (error) => csv.destroy(error));
  csv.once('close', () => source.destroy());
  return source.pipe(csv);
}

/** Leads as one JSON array, a lead a line. */
async function* jsonOf(leads: AsyncIterable<Lead>): AsyncGenerator<string> {
  let before = '[\n';
  for await (const lead of leads) {
    yield `${before}${JSON.stringify(lead)}`;
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}
