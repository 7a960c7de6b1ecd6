// Only for the threads that model-thread.ts starts: this loads onnxruntime's native code.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { Tokenizer } from '@huggingface/tokenizers';
import { InferenceSession } from 'onnxruntime-node';

/** The model of this thread. Texts are not cut and not padded: padding would change int8 results, and each model has its own cut. */
export async function loadModel(): Promise<{ tokenizer: Tokenizer; session: InferenceSession }> {
  const { modelDir } = workerData as { modelDir: string };
  const description = JSON.parse(await readFile(join(modelDir, 'tokenizer.json'), 'utf8'));
  description.truncation = null;
  description.padding = null;
  const session = await InferenceSession.create(join(modelDir, 'model.onnx'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  });
  return { tokenizer: new Tokenizer(description, {}), session };
}
