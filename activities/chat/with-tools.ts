import type {
  GenerationEvent,
  GenerationProvider,
  GenerationRequest,
  ToolBox,
  ToolCall,
} from '../../providers/generation.ts';

/** What a turn's model may do before it has to answer. */
const maxRounds = 4;

/** `reset`: what was said so far is not the answer. */
export type AnswerEvent =
  | Exclude<GenerationEvent, { type: 'tool_call' }>
  | { type: 'tool' }
  | { type: 'reset' };

type Finish = Extract<GenerationEvent, { type: 'finish' }>;

/**
 * An answer by a model that may use tools: what it asks for is run, and it is asked again with what came of it. Where it
 * then says nothing that holds, the tool's own words are the answer: what was done is not taken back.
 */
export async function* generateWithTools(
  provider: GenerationProvider,
  request: GenerationRequest,
  tools: ToolBox | undefined,
): AsyncGenerator<AnswerEvent> {
  const toolResults: { call: ToolCall; result: string }[] = [];
  const usage = { promptTokens: 0, completionTokens: 0 };
  let reply: string | undefined;
  for (let round = 1; ; round += 1) {
    // In the last round there are none, so that it ends.
    const offered = tools && round < maxRounds ? { tools: tools.definitions } : {};
    const calls: ToolCall[] = [];
    let said = false;
    let finish: Finish | undefined;
    for await (const event of provider.generate({ ...request, ...offered, toolResults })) {
      if (event.type === 'tool_call') {
        calls.push({ id: event.id, name: event.name, arguments: event.arguments });
      } else if (event.type === 'finish') {
        finish = event;
      } else {
        said = true;
        yield event;
      }
    }
    // It was stopped.
    if (!finish) return;
    usage.promptTokens += finish.usage.promptTokens;
    usage.completionTokens += finish.usage.completionTokens;
    const again = tools !== undefined && calls.length > 0 && round < maxRounds;
    const failed = !again && finish.outcome === 'declined' && reply !== undefined;
    if (said && (again || failed)) yield { type: 'reset' };
    if (failed) {
      yield { type: 'token', text: reply! };
      yield { type: 'finish', outcome: 'answered', citations: [], confidence: null, usage };
      return;
    }
    if (!again) {
      yield { ...finish, usage };
      return;
    }
    yield { type: 'tool' };
    for (const call of calls) {
      const done = await tools.run(call);
      toolResults.push({ call, result: done.result });
      reply = done.reply ?? reply;
    }
  }
}
