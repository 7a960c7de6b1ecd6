// The driver, postgres.js, with faults mended that show when PostgreSQL goes away in the middle of something: processes
// end, connections are spoiled for good, and results lack their first rows (its issues 1154 and 1208; not mended in
// 3.4.9); and with one that shows under load, when transactions have no connection of their own. Its source is changed as it is loaded, so that every way of installing it is covered.
import { registerHooks } from 'node:module';

type Change = readonly [before: string, after: string];

const changes: Record<string, readonly Change[]> = {
  // A transaction whose connection has closed sends nothing more, not even the driver's own `rollback`: on the dead
  // connection that throws outside every promise, on its successor it would run without a transaction.
  'postgres/src/index.js': [
    ['connection.onclose = reject)', 'connection.onclose = (e) => { lost = e; reject(e) })'],
    ['let savepoints = 0', 'let lost, savepoints = 0'],
    [
      'q.catch(e => uncaughtError || (uncaughtError = e))',
      'q.catch(e => uncaughtError || (uncaughtError = e))\nif (lost) return q.reject(lost)\n',
    ],
  ],
  'postgres/src/connection.js': [
    // What was under way when a connection closed is no part of the next one: that would wait for ever for the answer to
    // a statement which PostgreSQL has never seen, or reject the next statement with the last one's error.
    ['!hadError && (query || sent.length) && error(', ';(query || sent.length) && error('],
    [
      'incomings = null\n    clearImmediate(nextWriteTimer)',
      'incomings = null\n    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = errorResponse = null',
    ],
    // Rows are counted anew for each result, also after one that ended early; else the next begins with holes, and what
    // is there looks as if it were not.
    ['query = results = errorResponse = null', 'query = results = errorResponse = null\n    rows = 0'],
    // A connection belongs to its transaction from `begin` on, also where a hundred statements are on their way, or the
    // socket is full. Else the caller fails, and the transaction stays open under the statements of others.
    [
      'return write(toBuffer(q))',
      'const more = write(toBuffer(q))\n      q.options.onexecute && q.options.onexecute(connection)\n      return more',
    ],
    ['(!q.options.onexecute || q.options.onexecute(connection))', '!q.options.onexecute'],
    // Nobody waits for this one; the statement that it was asked for is rejected by itself.
    ['return fetchArrayTypes()', 'return void fetchArrayTypes().catch(() => {})'],
  ],
};

const hooks = registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const file = Object.keys(changes).find((name) => url.endsWith(`/node_modules/${name}`));
    if (!file) return loaded;
    return {
      ...loaded,
      source: changes[file]!.reduce(change, Buffer.from(loaded.source as Uint8Array).toString()),
    };
  },
});
const { default: postgres } = await import('postgres');
hooks.deregister();

export { postgres };

function change(source: string, [before, after]: Change): string {
  if (source.split(before).length !== 2) {
    throw new Error(
      'postgres.js is not the version that stores/postgres/driver.ts knows: look at its changes.',
    );
  }
  return source.replace(before, () => after);
}
