// Publishes events to a Socket.IO server: `node socket_publisher.mjs SHAPE VALKEY_SOCKET USERS
// DEVICES`. The shapes are those of socket_server.mjs; this is the worker of each.
import { setTimeout as sleep } from "node:timers/promises";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { now, serve, stamp } from "./lines.mjs";

const [shape, path] = process.argv.slice(2);
const [users, devices] = process.argv.slice(4).map(Number);
const connection = { path, maxRetriesPerRequest: null };
const TICK_MS = 2;

async function rooms() {
  const io = new Server({
    adapter: createAdapter(new Redis(connection), { onlyPlaintext: true }),
    connectionStateRecovery: {},
  });
  return (user, event) => io.to(`user-${user}`).emit("event", event);
}

async function notifications() {
  const queue = new Queue("notifications", { connection });
  const options = { removeOnComplete: true };
  return (user, event) => queue.add("notify", { user: `user-${user}`, event }, options);
}

async function progress() {
  const queue = new Queue("generation", { connection });
  const jobs = await queue.addBulk(Array(users).fill({ name: "generate", data: {} }));
  return (user, event) => jobs[user].updateProgress({ user: `user-${user}`, event });
}

const publish = await { streams: rooms, queue: notifications, progress }[shape]();
const numbers = { progress: Array(users).fill(0), state: Array(users).fill(0) };
let turn = 0;

function next(kind, bytes) {
  turn = (turn + 1) % users;
  const event = { kind, stamp: stamp(++numbers[kind][turn], now()), pad: "" };
  event.pad = "x".repeat(Math.max(bytes - JSON.stringify(event).length, 0));
  return publish(turn, event);
}

await serve({}, async ({ kind, rate, seconds, bytes }) => {
  const total = Math.round((rate * seconds) / devices);
  const perSecond = rate / devices;
  const underWay = new Set();
  const begun = now();
  let done = 0;
  let late = 0;
  while (done < total) {
    const due = Math.min(Math.floor((now() - begun) * perSecond), total);
    for (; done < due; done++) {
      const sent = Promise.resolve(next(kind, bytes));
      underWay.add(sent);
      sent.then(() => underWay.delete(sent));
    }
    late = Math.max(late, now() - begun - done / perSecond);
    await sleep(TICK_MS);
  }
  await Promise.all(underWay);
  return { sent: total * devices, late_ms: late * 1000 };
});
