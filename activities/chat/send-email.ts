// The tool with which a model takes down what a visitor wants from the business, for pages that are known by their host.
import { z } from 'zod';
import { emailIn } from '../../domain/leads.ts';
import { type MailLanguage, mailLanguageOf } from '../../domain/mails.ts';
import type { ToolBox, ToolDefinition } from '../../providers/generation.ts';
import type { LeadMessageOutcome } from '../../stores/postgres/lead-messages.ts';
import type { ActivityDependencies } from '../index.ts';

const definition: ToolDefinition = {
  name: 'sendEmail',
  description:
    'Sends name, e-mail address and message of the visitor to the people of this website, who answer by e-mail. Ask the visitor for what is missing first, and never make it up.',
  parameters: {
    type: 'object',
    properties: {
      name: { type: 'string', description: "The visitor's name, as they wrote it." },
      email: { type: 'string', description: "The visitor's e-mail address, as they wrote it." },
      message: { type: 'string', description: 'What the visitor wants, in a few sentences.' },
    },
    required: ['name', 'email', 'message'],
    additionalProperties: false,
  },
};

const given = z.object({
  name: z.string().trim().min(1).max(80),
  email: z.string().max(300).transform(emailIn).pipe(z.string()),
  message: z.string().trim().min(1).max(5_000),
});

/** What the visitor is told where the model does not find words that hold. */
const told: Record<MailLanguage, Record<'sent' | 'too_many', string>> = {
  en: {
    sent: 'Your message was sent. You will get an answer by e-mail.',
    too_many: 'No more messages can be sent in this conversation. Somebody will answer those that were.',
  },
  de: {
    sent: 'Ihre Nachricht wurde gesendet. Sie erhalten eine Antwort per E-Mail.',
    too_many:
      'In diesem Gespräch können keine weiteren Nachrichten gesendet werden. Die gesendeten werden beantwortet.',
  },
  es: {
    sent: 'Su mensaje se ha enviado. Recibirá una respuesta por correo electrónico.',
    too_many: 'En esta conversación no se pueden enviar más mensajes. Los enviados recibirán respuesta.',
  },
  ar: {
    sent: 'تم إرسال رسالتك. ستصلك الإجابة بالبريد الإلكتروني.',
    too_many: 'لا يمكن إرسال المزيد من الرسائل في هذه المحادثة. ستتم الإجابة عن الرسائل المرسلة.',
  },
};
const incomplete =
  'Nothing was sent. Ask the visitor for their name, a valid e-mail address and what they want, and use only what they wrote.';

/** For one turn of a page of this host; undefined where nobody is to be written to. */
export async function sendEmailFor(
  { stores, dispatcher }: Pick<ActivityDependencies, 'stores' | 'dispatcher'>,
  turn: { projectId: string; turnId: string; host: string; language: string },
): Promise<ToolBox | undefined> {
  const { projectId, turnId, host } = turn;
  const recipients = await stores.leadMessages.recipients(projectId, host);
  if (recipients.length === 0) return undefined;
  const words = told[mailLanguageOf(turn.language)];
  const textOf: Record<LeadMessageOutcome, { result: string; reply?: string }> = {
    sent: { result: words.sent, reply: words.sent },
    repeated: { result: words.sent, reply: words.sent },
    too_many: { result: words.too_many, reply: words.too_many },
    not_said: { result: incomplete },
  };
  return {
    definitions: [definition],
    async run({ name, arguments: args }) {
      if (name !== definition.name) return { result: `There is no tool ${name}.` };
      const parsed = given.safeParse(args);
      if (!parsed.success) return { result: incomplete };
      const { outcome, dispatches } = await stores.leadMessages.record(
        projectId,
        turnId,
        parsed.data,
        recipients,
      );
      for (const dispatch of dispatches) dispatcher.startSoon(dispatch);
      return textOf[outcome];
    },
  };
}
