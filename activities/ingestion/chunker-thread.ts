import { parentPort, workerData } from 'node:worker_threads';
import { chunkText } from '../../domain/chunking.ts';

const { text, breaks } = workerData as { text: string; breaks: readonly number[] };
parentPort!.postMessage(chunkText(text, { breaks }));
