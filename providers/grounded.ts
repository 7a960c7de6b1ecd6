// An answer out of a language model: shown only numbered sources, checked against them sentence by sentence, declined
// where they do not carry it.
import { randomBytes } from 'node:crypto';
import { claimsOf, type Evidence, evidenceOf, numbersAgree, supportFor } from '../domain/grounding.ts';
import { createLeakCheck, createOutputFilter } from '../domain/output.ts';
import { windowOf } from '../domain/models.ts';
import { budgetOf, noAnswer, promptFor } from '../domain/prompt.ts';
import type { ChatModel } from './chat-model.ts';
import type { Citation, GenerationEvent, GenerationProvider, GenerationRequest } from './generation.ts';
import { createOpening, questionOf, smallTalkOf } from './opening.ts';
import { rewriteWith, summariseWith } from './rewriting.ts';
import { type Checked, checkable, linkRule } from './sources.ts';

/** Of an answer at least this share must be supported, where the project says nothing else. */
const leastGrounded = 0.4;
/** Short sentences ("Yes, we do.") say nothing that the next one does not. */
const shortClaim = 30;
/**
 * For a sentence in other words, or in another language, than its source: which of the others says the same, by the
 * project's embeddings. Throws what they throw.
 */
export type Similarity = (
  text: string,
  others: readonly string[],
  signal: AbortSignal,
) => Promise<number | undefined>;

export function createGroundedProvider(
  model: ChatModel,
  { similarity }: { similarity?: Similarity | undefined } = {},
): GenerationProvider {
  async function* generate(request: GenerationRequest): AsyncGenerator<GenerationEvent> {
    const { signal, settings, question } = request;
    const said = {
      settings,
      question,
      nonce: randomBytes(4).toString('hex'),
      page: request.page,
      summary: request.summary,
      tools: (request.tools?.length ?? 0) > 0,
    };
    const budget = budgetOf(windowOf(model.name, settings.contextWindow), settings.maxOutputTokens, said);
    const checked = checkable(request.passages, budget.sources);
    const citations: Citation[] = [];

    /** The quote that carries the claim, or undefined. */
    async function support(claim: string, { passage, evidence }: Checked): Promise<Citation | undefined> {
      const quote = supportFor(claim, evidence) ?? (await supportByMeaning(claim, evidence));
      return quote === undefined ? undefined : { chunkId: passage.chunkId, quote };
    }
    async function supportByMeaning(claim: string, evidence: Evidence): Promise<string | undefined> {
      if (!similarity || evidence.units.length === 0 || !numbersAgree(claim, evidence)) return undefined;
      const quotes = evidence.units.map(({ quote }) => quote);
      // Without it the citation is dropped, which errs on the safe side.
      const same = await similarity(claim, quotes, signal).catch(() => undefined);
      return same === undefined ? undefined : quotes[same];
    }
    function numberOf(citation: Citation): number {
      const known = citations.findIndex(
        ({ chunkId, quote }) => chunkId === citation.chunkId && quote === citation.quote,
      );
      return known >= 0 ? known + 1 : citations.push(citation);
    }

    const filter = createOutputFilter({
      allowsLink: linkRule(
        settings.siteUrl,
        checked.map(({ passage, shown }) => `${passage.title}\n${shown}`),
      ),
      async cite(numbers, before) {
        const claim = claimsOf(before).at(-1)?.text;
        if (!claim) return [];
        const given: number[] = [];
        for (const source of numbers.map((number) => checked[number - 1])) {
          const citation = source && (await support(claim, source));
          if (citation) given.push(numberOf(citation));
        }
        return [...new Set(given)];
      },
    });

    const messages = promptFor({
      ...said,
      budget,
      history: request.history ?? [],
      sources: checked.map(({ passage, shown }) => ({
        title: passage.title,
        heading: passage.headingPath.join(' › '),
        text: shown,
      })),
    });
    const results = request.toolResults ?? [];
    const events = model.stream({
      model: settings.model || model.defaultModel,
      messages: [...messages, ...results.map((one) => ({ role: 'tool' as const, ...one }))],
      temperature: settings.temperature,
      maxOutputTokens: budget.output,
      tools: request.tools ?? [],
      signal,
    });

    // Of a run of the prompt at most its first words are shown. Secrets do not belong into a prompt.
    const leaks = createLeakCheck(messages[0]!.text);
    const tail = 300;
    const opening = createOpening();
    let tools = 0;
    for await (const event of events) {
      if (event.type === 'text') {
        const known = opening.push(event.text);
        const out = known && opening.kind === 'answer' ? await filter.push(known) : '';
        if (leaks(filter.text.slice(-tail))) {
          const usage = { promptTokens: 0, completionTokens: 0 };
          yield { type: 'finish', outcome: 'declined', confidence: 0, citations: [], usage };
          return;
        }
        if (out) yield { type: 'token', text: out };
      } else if (event.type === 'tool_call') {
        tools += 1;
        yield event;
      } else {
        const { usage, refusal } = event;
        const finish = (
          outcome: 'answered' | 'declined',
          confidence: number | null,
          cited: Citation[] = [],
        ) => ({
          type: 'finish' as const,
          outcome,
          confidence,
          citations: cited,
          usage,
          ...(refusal ? { refusal } : {}),
        });
        const rest = opening.end();
        if (event.reason === 'refused' || opening.kind === 'declined') {
          yield finish('declined', refusal ? null : 0);
          return;
        }
        if (opening.kind === 'small talk' || opening.kind === 'question') {
          const reply = opening.kind === 'question' ? questionOf(rest, request) : smallTalkOf(rest, request);
          if (reply) yield { type: 'token', text: reply };
          yield reply ? finish('answered', null) : finish('declined', 0);
          return;
        }
        const out = (rest ? await filter.push(rest) : '') + (await filter.end());
        if (out && !leaks(filter.text)) yield { type: 'token', text: out };
        if (filter.text === '' && tools > 0) {
          yield finish('answered', null);
          return;
        }
        const answer = filter.text;
        const confidence = await grounding(answer);
        const told = answer.includes(noAnswer) || leaks(answer);
        const least = settings.confidenceThreshold ?? leastGrounded;
        yield answer === '' || told || confidence < least
          ? finish('declined', told ? 0 : confidence)
          : finish('answered', confidence, citations);
        return;
      }
    }

    /** The share of the answer that is supported, by length. Sentences without a marker may be supported all the same. */
    async function grounding(answer: string): Promise<number> {
      const claims = claimsOf(answer).filter(({ text }) => text.length >= shortClaim);
      const all = claims.length > 0 ? claims : claimsOf(answer);
      let supported = 0;
      let total = 0;
      const evident = results.map(({ result }) => evidenceOf({ title: '', headingPath: [], text: result }));
      for (const { text, span } of all) {
        total += text.length;
        const after = answer.slice(span.end, span.end + 5);
        if (/\[\d+\]/.test(answer.slice(span.start, span.end)) || /^\s?\[\d+\]/.test(after)) {
          supported += text.length;
        } else if (evident.some((evidence) => supportFor(text, evidence) !== undefined)) {
          supported += text.length;
        } else {
          const [source] = checked.flatMap(({ passage, evidence }) => {
            const quote = supportFor(text, evidence);
            return quote === undefined ? [] : [{ chunkId: passage.chunkId, quote }];
          });
          if (!source) continue;
          numberOf(source);
          supported += text.length;
        }
      }
      return total > 0 ? supported / total : 0;
    }
  }

  return {
    name: model.name,
    defaultModel: model.defaultModel,
    generate,
    rewrite: (request) => rewriteWith(model, request),
    summarise: (request) => summariseWith(model, request),
  };
}
