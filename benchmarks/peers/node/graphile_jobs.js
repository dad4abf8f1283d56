// graphile-worker with one job per message: a queue in Postgres alone, tuned.
//
//     node graphile_jobs.js --url http://127.0.0.1:9000/messages --concurrency 64
//
// A worker locks jobs in batches, POSTs each over undici with as many connections as jobs at once, and deletes what is
// done in groups. Nothing is kept of a job that is done, no attempt, and nothing guards against sending twice: less
// than ours does. Tuned: a local queue of many jobs, completions in groups, prepared statements, undici's `request`
// (less work than `fetch`), no log. Prints one line of JSON when it is ready.

import { parseArgs } from "node:util";
import { Logger, run } from "graphile-worker";
import { Pool } from "undici";

const LOCKED_AT_ONCE = 500;
const GROUPED_MS = 20;

const { values: asked } = parseArgs({
  options: { url: { type: "string" }, concurrency: { type: "string" } },
});
const concurrency = Number(asked.concurrency);
const { origin, pathname } = new URL(asked.url);
const receiver = new Pool(origin, { connections: concurrency, pipelining: 1 });
const headers = { "Content-Type": "application/json" };

async function deliver(payload) {
  const { statusCode, body } = await receiver.request({
    path: pathname,
    method: "POST",
    headers,
    body: JSON.stringify(payload),
  });
  await body.text();
  if (statusCode >= 300) throw new Error(`answered ${statusCode}`);
}

await run({
  taskList: { deliver },
  preset: {
    worker: {
      connectionString: process.env.POSTGRES_URI,
      concurrentJobs: concurrency,
      maxPoolSize: 10,
      pollInterval: 1000,
      preparedStatements: true,
      localQueue: { size: LOCKED_AT_ONCE },
      completeJobBatchDelay: GROUPED_MS,
      failJobBatchDelay: GROUPED_MS,
      logger: new Logger(() => () => {}),
    },
  },
});
console.log(JSON.stringify({ ready: true }));
