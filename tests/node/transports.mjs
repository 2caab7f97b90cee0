// Calls the service with connect-web, by each transport that the docs name, in Node and in browsers.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const makers = {
  "gRPC-Web": (options) => createGrpcWebTransport(options),
  Connect: (options) => createConnectTransport({ ...options, useBinaryFormat: true }),
  "Connect in JSON": (options) => createConnectTransport(options),
};

// What each transport can do; an error in place of what it can't.
export async function tryAll(baseUrl, token, descriptors) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const signIn = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const found = {};
  for (const [name, make] of Object.entries(makers)) {
    const transport = make({ baseUrl, interceptors: [signIn] });
    const client = createClient(registry.getService("rushes.v1.MediaService"), transport);
    found[name] = {
      unary: await said(async () => (await client.listModels({})).models.length),
      refusal: await said(() => client.getJob({ jobId: "no-id" }), registry),
      streamRefusal: await said(() => read(client.watchJobs({ jobIds: ["no-id"] })), registry),
      deadline: await said(() => read(client.watchJobs({}, { timeoutMs: 300 }))),
      watch: await said(() => watch(client)),
    };
  }
  return found;
}

// As docs/browsers.md has it: Envoy writes a type's URL where the Connect protocol has its name.
function detailsOf(error, type) {
  const connectError = ConnectError.from(error);
  for (const detail of connectError.details) {
    if ("type" in detail) detail.type = detail.type.replace("type.googleapis.com/", "");
  }
  return connectError.findDetails(type);
}

async function said(work, registry) {
  try {
    return await work();
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    const infos = registry ? detailsOf(error, registry.getMessage("google.rpc.ErrorInfo")) : [];
    return { code: Code[code], message: rawMessage, reasons: infos.map((info) => info.reason) };
  }
}

async function read(messages) {
  for await (const _ of messages);
}

// Submits only when the watch is live, so a transport that keeps messages back never ends this.
// Only the signal ends the call: leaving the loop keeps it open.
async function watch(client) {
  const states = [];
  const call = new AbortController();
  for await (const { events } of client.watchJobs({}, { signal: call.signal })) {
    for (const { event } of events) {
      if (event.case === "synced") {
        await client.generateImage({ spec: { prompt: "a boat", size: "256x256" } });
      } else if (event.case === "job") {
        states.push(event.value.job.state);
        if (event.value.job.endTime) {
          call.abort();
          return states;
        }
      }
    }
  }
}
