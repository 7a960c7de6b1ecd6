import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { maxMessageLength, type Turn } from '../../domain/chat.ts';
import { AppError } from '../../domain/errors.ts';
import { modeOfCalls, outcomes, readFields, type StepResult } from '../../domain/leads.ts';
import type { Project } from '../../domain/projects.ts';
import type { LeadSession } from '../../stores/postgres/lead-sessions.ts';
import type { App, AppDependencies } from '../app.ts';
import { createLeadConversation } from '../lead-conversation.ts';
import { admitVisitor } from '../turns.ts';
import { kept, opening, prompt, replyTo, resent } from '../lead-replies.ts';
import { createLeadEntries, type Entered } from '../lead-entries.ts';

const tags = ['Leads'];
const sessionId = z.string().max(100).nullish();
const chatBody = z.preprocess(
  (body) => body ?? {},
  z.object({
    sessionId,
    message: z.string().trim().max(maxMessageLength).nullish(),
    /** BCP 47; by default what the browser prefers, else the project's. */
    language: z.string().max(35).nullish(),
    /** What the visitor says of themselves beside name and address, as the project defines it. */
    fields: z.record(z.string(), z.string().max(500)).nullish(),
    /** The visitor wants to leave their contact (mode `request`). */
    leaveContact: z.boolean().nullish(),
  }),
);
const otpBody = z.preprocess(
  (body) => body ?? {},
  z.object({ sessionId, otp: z.union([z.string().max(40), z.number()]).nullish() }),
);
const resendBody = z.preprocess((body) => body ?? {}, z.object({ sessionId }));

const stageReply = z.object({
  sessionId: z.uuid(),
  stage: z.enum(['awaiting_name', 'awaiting_email', 'awaiting_otp', 'ready']),
  reply: z.string(),
  outcome: z.enum(outcomes).optional().describe('What became of what the visitor entered.'),
});
/** Once the visitor chats, the reply has everything that a chat's has. */
const chatReply = stageReply.loose();

/** The lead flow: who the visitor is, proved by a code, and then the chat. */
export function assistantRoutes(app: App, deps: AppDependencies): void {
  const config = {
    scope: 'chat',
    errors: ['ASSISTANT_SESSION_NOT_FOUND', 'RATE_LIMIT_EXCEEDED', 'SERVICE_UNAVAILABLE'],
  } as const;
  const chatErrors = [
    'MESSAGE_REQUIRED',
    'VISITOR_LOGIN_REQUIRED',
    'ASSISTANT_MESSAGE_LIMIT_REACHED',
    'TOKEN_LIMIT_EXCEEDED',
    'TURN_FAILED',
    'TURN_CANCELLED',
  ] as const;
  const otpErrors = [
    'SESSION_ID_REQUIRED',
    'OTP_REQUIRED',
    'ASSISTANT_OTP_NOT_PENDING',
    'ASSISTANT_OTP_NOT_FOUND',
    'ASSISTANT_OTP_EXPIRED',
    'ASSISTANT_INVALID_OTP',
  ] as const;
  const { leadSessions: sessions, projects } = deps.stores;
  const entries = createLeadEntries(deps);
  const conversation = createLeadConversation(deps);

  const projectOf = async ({ projectId }: FastifyRequest): Promise<Project> => {
    const project = await projects.get(projectId);
    if (!project) throw new AppError('INVALID_API_KEY');
    return project;
  };
  const wire = (session: LeadSession, reply: string) => ({
    sessionId: session.id,
    stage: session.stage === 'open' ? ('ready' as const) : (session.stage as 'ready'),
    reply,
  });

  // An encapsulated scope, because here an empty body counts as {}.
  app.register(async (scope: App) => {
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, {});
      else scope.getDefaultJsonParser('error', 'error')(request, body as string, done);
    });

    scope.post(
      '/assistant/chat',
      {
        config: { ...config, errors: [...config.errors, ...chatErrors] },
        schema: {
          tags,
          summary: 'Begin a session, give name, address or code, and then chat',
          body: chatBody,
          response: { 200: chatReply },
        },
      },
      async (request, reply) => {
        const { body, projectId } = request;
        const project = await projectOf(request);
        const { settings } = project;
        if (!body.sessionId) {
          const session = await begin(request, project, body.language);
          if (body.fields) await addFields(project, session, body.fields);
          return body.message
            ? await speak(request, reply, project, session.id, body.message)
            : wire(session, opening(session.stage, session, settings));
        }
        const session = await entries.find(projectId, body.sessionId);
        if (body.fields) await addFields(project, session, body.fields);
        if (body.leaveContact && session.stage === 'open' && settings.leads.mode !== 'off') {
          const asked = await conversation.ask(projectId, session, settings);
          return wire(asked, prompt(asked.stage, asked, settings));
        }
        if (!body.message) throw new AppError('MESSAGE_REQUIRED');
        return await speak(request, reply, project, session.id, body.message);
      },
    );

    scope.post(
      '/assistant/verify-otp',
      {
        config: { ...config, errors: [...config.errors, ...otpErrors] },
        schema: { tags, summary: 'Prove the address', body: otpBody, response: { 200: chatReply } },
      },
      async (request, reply) => {
        const { sessionId, otp } = request.body;
        if (!sessionId) throw new AppError('SESSION_ID_REQUIRED');
        if (otp === undefined || otp === null || String(otp).trim() === '')
          throw new AppError('OTP_REQUIRED');
        const project = await projectOf(request);
        const text = typeof otp === 'number' ? String(otp).padStart(6, '0') : otp;
        const entered = answering(request, reply, await entries.code(request.projectId, sessionId, text));
        refuseBadCode(entered.result);
        return await stepReply(request, reply, project, entered);
      },
    );

    scope.post(
      '/assistant/resend-otp',
      {
        config: {
          ...config,
          errors: [...config.errors, 'SESSION_ID_REQUIRED', 'ASSISTANT_OTP_NOT_PENDING'],
        },
        schema: { tags, summary: 'Mail another code', body: resendBody, response: { 200: stageReply } },
      },
      async (request, reply) => {
        const { sessionId } = request.body;
        if (!sessionId) throw new AppError('SESSION_ID_REQUIRED');
        const { settings } = await projectOf(request);
        const entered = await entries.resend(request.projectId, sessionId);
        const { result, session } = answering(request, reply, entered);
        if (result.outcome === 'code_sent') return wire(session, resent(session));
        if (result.outcome === 'code_not_pending') throw new AppError('ASSISTANT_OTP_NOT_PENDING');
        refuseTooMuch(result, replyTo(result, session, settings));
        return wire(session, replyTo(result, session, settings));
      },
    );
  });

  /** The entry counts as answered once the reply is out, whatever the reply is. */
  function answering(request: FastifyRequest, reply: FastifyReply, entered: Entered): Entered {
    reply.raw.once('finish', () => {
      entries.delivered(request.projectId, entered).catch((error: unknown) => {
        request.log.warn({ err: error }, 'not recorded that the visitor was answered');
      });
    });
    return entered;
  }

  async function begin(
    request: FastifyRequest,
    { settings }: Project,
    language: string | null | undefined,
  ): Promise<LeadSession> {
    const preferred = request.headers['accept-language']?.split(/[,;]/, 1)[0]?.trim();
    const created = await sessions.create(request.projectId, {
      language: (language || (preferred !== '*' && preferred) || settings.primaryLanguage).slice(0, 35),
      ip: request.ip,
      settings,
    });
    if (created.dispatch) deps.dispatcher.startSoon(created.dispatch);
    return await entries.find(request.projectId, created.sessionId);
  }

  async function addFields(
    project: Project,
    session: LeadSession,
    given: Record<string, string>,
  ): Promise<void> {
    let fields: Record<string, string>;
    try {
      fields = readFields(project.settings.leads.fields, given);
    } catch (error) {
      throw new AppError('INVALID_REQUEST', { message: `${(error as Error).message}.` });
    }
    await sessions.addFields(project.id, session.id, fields);
  }

  /** What the visitor says is an answer to what was asked, a question, or, once that is allowed, a chat message. */
  async function speak(
    request: FastifyRequest,
    reply: FastifyReply,
    project: Project,
    sessionId: string,
    message: string,
  ) {
    const { settings } = project;
    const entered = await entries.message(project.id, sessionId, message);
    if ('result' in entered) {
      return await stepReply(request, reply, project, answering(request, reply, entered));
    }
    const { is, session } = entered;
    if (is === 'chat') {
      const answered = await conversation.answer(request, reply, session, message);
      const asked = await conversation.askIfDue(project.id, session, settings, answered.turn);
      const text = asked
        ? `${answered.body.reply}\n\n${prompt(asked.stage, asked, settings)}`
        : answered.body.reply;
      return { ...answered.body, ...wire(asked ?? session, text) };
    }
    if (is === 'question') {
      if (modeOfCalls(settings.leads) === 'before') {
        await admitVisitor(deps, request);
        await sessions.keepQuestion(project.id, session.id, message);
        return wire(session, kept(session.stage, session, settings));
      }
      const { body } = await conversation.answer(request, reply, session, message);
      return {
        ...body,
        ...wire(session, `${body.reply}\n\n${prompt(session.stage, session, settings)}`),
      };
    }
    return wire(session, prompt(session.stage, session, settings));
  }

  /** A step in words; after the last one, the questions that were kept are answered first. */
  async function stepReply(
    request: FastifyRequest,
    reply: FastifyReply,
    { settings }: Project,
    { result, session }: Entered,
  ) {
    refuseTooMuch(result, replyTo(result, session, settings));
    const text = replyTo(result, session, settings);
    if (result.outcome !== 'verified') return { ...wire(session, text), outcome: result.outcome };
    const answers: Turn[] = await conversation.keptAnswers(request, session, reply);
    const replies = answers.map((turn) => turn.reply ?? '');
    return {
      ...wire(session, [text, ...replies].join('\n\n')),
      outcome: result.outcome,
      ...(answers.length > 0
        ? { conversationId: answers[0]!.conversationId, sources: answers.flatMap(({ sources }) => sources) }
        : {}),
    };
  }
}

/** The errors that existing clients know. */
function refuseBadCode(result: StepResult): void {
  switch (result.outcome) {
    case 'code_wrong':
      throw new AppError('ASSISTANT_INVALID_OTP', { details: { triesLeft: result.triesLeft } });
    case 'code_expired':
      throw new AppError('ASSISTANT_OTP_EXPIRED');
    case 'code_not_found':
      throw new AppError('ASSISTANT_OTP_NOT_FOUND');
    case 'code_not_pending':
      throw new AppError('ASSISTANT_OTP_NOT_PENDING');
  }
}

function refuseTooMuch(result: StepResult, message: string): void {
  if (result.stage === 'expired') throw new AppError('ASSISTANT_SESSION_NOT_FOUND');
  const limited = ['mail_limit', 'resend_too_soon', 'resend_too_often'].includes(result.outcome);
  if (limited || result.stage === 'blocked') {
    const { retryAfterSeconds = 1_800 } = result;
    throw new AppError('RATE_LIMIT_EXCEEDED', {
      message,
      details: { retryAfterSeconds, reason: result.outcome },
    });
  }
}
