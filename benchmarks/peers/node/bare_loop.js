// A loop of POSTs over undici in one process, 64 in flight: `bare_client.py` in another language.
//
//     node bare_loop.js --url http://127.0.0.1:9000/messages --count 20000
//
// No store, no retries, no records. Prints one line of JSON: the seconds, and its own CPU seconds.

import { parseArgs } from "node:util";
import { Pool } from "undici";

const IN_FLIGHT = 64;
const WARM_UP = 500;
const BODY = JSON.stringify({
  to: "+4915112345678",
  content: "#1234 Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711",
});

const { values: asked } = parseArgs({ options: { url: { type: "string" }, count: { type: "string" } } });
const { origin, pathname: path } = new URL(asked.url);
const receiver = new Pool(origin, { connections: IN_FLIGHT, pipelining: 1 });

async function post(count) {
  let left = count;
  async function client() {
    while (left-- > 0) {
      const { body } = await receiver.request({
        path,
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: BODY,
      });
      await body.text();
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
}

await post(WARM_UP);
const began = process.hrtime.bigint();
const before = process.cpuUsage();
await post(Number(asked.count));
const used = process.cpuUsage(before);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(JSON.stringify({ seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
process.exit(0);
