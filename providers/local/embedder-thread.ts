// One thread, one ONNX session: `session.run` blocks the thread that calls it, so it must not be the event loop's.
// Takes a text, answers with its vector; the host (embedder.ts) sends the next text only after the answer.
import { parentPort } from 'node:worker_threads';
import { Tensor } from 'onnxruntime-node';
import type { EmbedderAnswer, EmbedderRequest } from './embedder.ts';
import { loadModel } from './load-model.ts';

/** all-MiniLM-L6-v2 was trained on at most 256 tokens; what comes after them is not seen. */
const maxTokens = 256;
/** Tokenizing megabytes to keep 256 tokens would be waste; no text needs 16 characters a token. */
const maxCharacters = maxTokens * 16;

const host = parentPort!;
const { tokenizer, session } = await loadModel();

/** Mean of the token vectors, scaled to L2 norm 1. One text a run: int8 results depend on the batch. */
async function embed(text: string): Promise<Float32Array> {
  const { ids } = tokenizer.encode(text.slice(0, maxCharacters));
  // Keep the last token, [SEP], when cutting: the model expects it at the end.
  const kept = ids.length <= maxTokens ? ids : [...ids.slice(0, maxTokens - 1), ids.at(-1)!];
  const shape = [1, kept.length];
  const output = await session.run({
    input_ids: new Tensor('int64', BigInt64Array.from(kept, BigInt), shape),
    attention_mask: new Tensor('int64', new BigInt64Array(kept.length).fill(1n), shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(kept.length), shape),
  });
  const states = Object.values(output)[0]!;
  const dimensions = states.dims[2]!;
  const values = states.data as Float32Array;
  const vector = new Float32Array(dimensions);
  for (let i = 0; i < values.length; i++) vector[i % dimensions]! += values[i]!;
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

host.on('message', async (request: EmbedderRequest) => {
  if (request.type === 'close') {
    await session.release();
    host.close();
    return;
  }
  try {
    const vector = await embed(request.text);
    answer({ type: 'vector', vector }, [vector.buffer as ArrayBuffer]);
  } catch (error) {
    answer({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
});

function answer(message: EmbedderAnswer, transfer: ArrayBuffer[] = []) {
  host.postMessage(message, transfer);
}

answer({ type: 'ready' });
