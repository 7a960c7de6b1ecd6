import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { live } from '../domain/deadlines.ts';
import { isUnfinished } from '../domain/ingestion.ts';
import type { AppDependencies } from './app.ts';
import { type DocumentView, viewOf } from './document-view.ts';
import { closed, send, withPauses } from './turn-streams.ts';

/** The reply of a route that streams server-sent events with this data. */
export const eventsOf = (data: z.ZodType) => ({
  description: 'One event a change; the stream ends once the document has ended.',
  content: { 'text/event-stream': { schema: data } },
});

/** Sends a document whenever it has changed, until it has ended or the client has gone. */
export function sendDocumentEvents(
  { stores }: Pick<AppDependencies, 'stores'>,
  reply: FastifyReply,
  { projectId, first }: { projectId: string; first: { document: DocumentView } },
) {
  reply.raw.setTimeout(live.stalled);
  const gone = closed(reply);
  const changes = async function* () {
    let { document } = first;
    let sent: string | undefined;
    while (!gone.aborted) {
      const text = JSON.stringify({ document });
      if (text !== sent) yield text;
      sent = text;
      if (!isUnfinished(document.status)) return;
      await new Promise((resolve) => setTimeout(resolve, live.poll));
      const record = await stores.documents.get(projectId, document.id);
      if (!record) return;
      document = viewOf(record);
    }
  };
  const events = async function* () {
    for await (const text of withPauses(changes(), live.keepAlive)) {
      yield text === undefined ? ': keep-alive\n\n' : `event: document\ndata: ${text}\n\n`;
    }
  };
  return send(reply, 'text/event-stream; charset=utf-8', events());
}
