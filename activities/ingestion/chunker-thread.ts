import { parentPort, workerData } from 'node:worker_threads';
import { chunkText } from '../../domain/chunking.ts';

parentPort!.postMessage(chunkText(workerData as string));
