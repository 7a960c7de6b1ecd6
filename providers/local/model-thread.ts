// The threads that run the bundled models: one ONNX session each, because `session.run` blocks the thread that calls it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const modelFiles = ['model.onnx', 'tokenizer.json'];

/** Which of a model's files are not there, in words; undefined where all are. */
export function missingModelFiles(modelDir: string): string | undefined {
  const missing = modelFiles.filter((file) => !existsSync(join(modelDir, file)));
  return missing.length > 0 ? `${missing.join(' and ')} not found in ${modelDir}` : undefined;
}

/** Starts a thread that runs `code`, which gets the model by `loadModel`. */
export function startModelThread(code: URL, modelDir: string): Worker {
  // onnxruntime reports its use to its maker unless it is told not to, and reads the process's own environment for that.
  // biome-ignore lint/style/noProcessEnv: there is no other way to tell it
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  return new Worker(code, { workerData: { modelDir } });
}
