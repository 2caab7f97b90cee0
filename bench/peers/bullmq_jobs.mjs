// BullMQ as it is by default. `node bullmq_jobs.mjs` works with 8 jobs at once; with COUNT it
// enqueues. The job is that of noop.py.
import { setTimeout as sleep } from "node:timers/promises";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const connection = { path: process.env.BENCH_VALKEY, maxRetriesPerRequest: null };
const seconds = Number(process.env.BENCH_SECONDS ?? 0);
const [AT_ONCE, WORKING] = [32, 8];

function work() {
  const valkey = new Redis(connection);
  const run = async ({ data: { number } }) => {
    if (seconds) {
      await valkey.rpush("bench:begun", number);
      await sleep(seconds * 1000);
    }
    await valkey.rpush("bench:done", number);
  };
  new Worker("jobs", run, { connection, concurrency: WORKING });
}

async function enqueue(count) {
  const queue = new Queue("jobs", { connection });
  const valkey = new Redis(connection);
  await queue.waitUntilReady();
  let next = 0;
  const some = async () => {
    while (next < count) await queue.add("job", { number: String(next++) });
  };
  await valkey.set("bench:first", Date.now() / 1000);
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  await valkey.set("bench:last", Date.now() / 1000);
  await Promise.all([queue.close(), valkey.quit()]);
}

if (process.argv[2]) await enqueue(Number(process.argv[2]));
else work();
