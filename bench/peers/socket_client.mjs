// Holds all watchers of a Socket.IO server, a connection each, and counts what they get:
// `node socket_client.mjs PORT USERS DEVICES`.
import { io } from "socket.io-client";
import { now, readStamp, serve } from "./lines.mjs";

const [port, users, devices] = process.argv.slice(2).map(Number);
const AT_ONCE = 50;
let counts;
let seen; // for each watcher the numbers that came

function begin() {
  counts = { delivered: 0, repeated: 0, refused: 0, bytes: 0, ages: [] };
  seen = Array.from({ length: users * devices }, () => new Set());
}

function take(watcher, event) {
  const [number, published] = readStamp(event.stamp);
  const mark = event.kind === "state" ? -number : number; // the kinds are numbered apart
  if (seen[watcher].has(mark)) {
    counts.repeated++;
    return;
  }
  seen[watcher].add(mark);
  counts.delivered++;
  counts.bytes ||= JSON.stringify(event).length;
  counts.ages.push(now() - published);
}

function open(watcher) {
  const socket = io(`http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    forceNew: true,
    reconnection: false,
    auth: { user: `user-${Math.floor(watcher / devices)}` },
  });
  socket.on("event", (event) => take(watcher, event));
  socket.on("disconnect", () => counts.refused++);
  return new Promise((done) => {
    socket.on("connect", () => done(true));
    socket.on("connect_error", () => done(false));
  });
}

async function openAll() {
  let [next, live] = [0, 0];
  const some = async () => {
    while (next < users * devices) if (await open(next++)) live++;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  return live;
}

function result({ ages, ...counted }) {
  const ordered = Float64Array.from(ages).sort();
  const ms = (share) =>
    (ordered[Math.min(Math.floor(ordered.length * share), ordered.length - 1)] ?? 0) * 1000;
  return { ...counted, p50_ms: ms(0.5), p99_ms: ms(0.99), most_ms: ms(1) };
}

begin();
const begun = now();
const live = await openAll();
const hello = { open: live, refused: users * devices - live, seconds: now() - begun };
await serve(hello, async ({ do: command }) => {
  if (command === "begin") begin();
  if (command === "count") return { delivered: counts.delivered };
  return command === "end" ? result(counts) : {};
});
