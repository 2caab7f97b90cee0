// A Socket.IO server with a room for each user: `node socket_server.mjs SHAPE VALKEY_SOCKET`.
//
// streams: another process emits to the rooms through the adapter of Redis streams.
// queue: a worker in this process takes one notification job for each event, and emits it.
// progress: this process hears of each job.updateProgress by QueueEvents, and emits it.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { serve } from "./lines.mjs";

const [shape, path] = process.argv.slice(2);
const connection = { path, maxRetriesPerRequest: null };
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  ...(shape === "streams" && {
    adapter: createAdapter(new Redis(connection), { onlyPlaintext: true }),
    connectionStateRecovery: {},
  }),
});
io.on("connection", (socket) => socket.join(socket.handshake.auth.user));

const emit = ({ user, event }) => io.to(user).emit("event", event);
if (shape === "queue") {
  const take = async (job) => emit(job.data);
  await new Worker("notifications", take, { connection, concurrency: 50 }).waitUntilReady();
} else if (shape === "progress") {
  const heard = new QueueEvents("generation", { connection });
  heard.on("progress", ({ data }) => emit(data));
  await heard.waitUntilReady();
}
await new Promise((done) => http.listen(0, "127.0.0.1", done));
await serve({ port: http.address().port }, async () => ({}));
