// One ONNX session that reads a question and a text together. Takes a pair, answers with a score; the host
// (cross-encoder.ts) sends the next pair only after the answer.
import { parentPort } from 'node:worker_threads';
import { Tensor } from 'onnxruntime-node';
import { loadModel } from '../local/load-model.ts';
import type { PairRequest, PairScore } from './cross-encoder.ts';

/** What the model was trained on, question and text together. */
const maxTokens = 512;
/** No question needs more of them. */
const maxQuestionTokens = 128;
/** Tokenizing what is not seen would be waste; no text needs 16 characters a token. */
const maxCharacters = maxTokens * 16;

const host = parentPort!;
const { tokenizer, session } = await loadModel();

/** The token ids between [CLS] and [SEP]. */
const tokensOf = (text: string) => tokenizer.encode(text.slice(0, maxCharacters)).ids.slice(1, -1);
const [first, separator] = tokenizer.encode('').ids as [number, number];

/** `[CLS] question [SEP] text [SEP]`, the text cut at the model's window. */
async function score({ question, text }: PairRequest): Promise<number> {
  const asked = [first, ...tokensOf(question).slice(0, maxQuestionTokens), separator];
  const read = [...tokensOf(text).slice(0, maxTokens - asked.length - 1), separator];
  const ids = [...asked, ...read];
  const shape = [1, ids.length];
  const output = await session.run({
    input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), shape),
    attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(ids.length).fill(1n, asked.length), shape),
  });
  const [logit] = Object.values(output)[0]!.data as Float32Array;
  return 1 / (1 + Math.exp(-logit!));
}

host.on('message', async (pair: PairRequest) => {
  let reply: PairScore;
  try {
    reply = { score: await score(pair) };
  } catch (error) {
    reply = { failure: error instanceof Error ? error.message : String(error) };
  }
  host.postMessage(reply);
});
