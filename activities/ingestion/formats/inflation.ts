/** What the streams of one file may unpack to. Real files of the largest size that is accepted stay below. */
export const maxInflatedBytes = 200 * 1024 * 1024;

/**
 * From now on what this thread unpacks by `DecompressionStream` is counted, and `exceed` is called once it is too much.
 * pdf.js collects what a stream gives, however much that is, and outside the heap, whose limit does not see it: within
 * the time that a look from outside takes, a file of a megabyte has filled gigabytes.
 */
export function limitInflation(exceed: () => void): void {
  let inflated = 0;
  const Unlimited = globalThis.DecompressionStream;
  globalThis.DecompressionStream = class extends Unlimited {
    constructor(format: ConstructorParameters<typeof Unlimited>[0]) {
      super(format);
      const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(part, controller) {
          inflated += part.byteLength;
          if (inflated > maxInflatedBytes) exceed();
          controller.enqueue(part);
        },
      });
      Object.defineProperty(this, 'readable', { value: this.readable.pipeThrough(counter) });
    }
  };
}
