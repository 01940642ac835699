// What every client does with talk.v1.Talk, and what must come of it. No generated code: the types come from a
// descriptor set, as `protoc --descriptor_set_out` makes it.

import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

export function types(bytes) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  return { talk: registry.getService("talk.v1.Talk"), words: registry.getMessage("talk.v1.Words") };
}

export function check(condition, what) {
  if (!condition) {
    throw new Error(`not so: ${what}`);
  }
}

async function failureOf(call) {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call did not fail");
}

async function collect(stream) {
  const texts = [];
  for await (const message of stream) {
    texts.push(message.text);
  }
  return texts.join(" ");
}

async function* sequence(...messages) {
  yield* messages;
}

// Calls by a transport of Connect's own packages. `streams` says which kinds of streams the transport can do.
export async function byConnect(transport, { talk, words }, streams = []) {
  const client = createClient(talk, transport);
  const options = {};
  const headers = new Headers({ "acme-id": "me" });

  let seen;
  const long = "x".repeat(5000);
  const told = await client.tell({ text: long, big: 7n }, { headers, onHeader: (h) => (seen = h.get("x-seen")) });
  check(told.text === long && told.big === 7n, "Tell echoes");
  if (options.exposed !== false) {
    check(seen === "me" || seen === null, "metadata of the call and of its answer");
  }
  check((await client.ask({ text: "a+b & c" })).text === "a+b & c", "Ask echoes, by GET where the transport does");

  const failure = await failureOf(() => client.tell({ text: "fail" }));
  check(failure.code === Code.FailedPrecondition, `the code, which is ${Code[failure.code]}`);
  check(failure.rawMessage === "it f\u00e4iled", "the message");
  check(failure.details.length === 1 && failure.details[0].type === "google.rpc.RetryInfo", "the details");

  check((await collect(client.hear({ text: "m", big: 3n }))) === "m0 m1 m2", "a stream of answers");
  const broken = await failureOf(() => collect(client.hear({ text: "fail", big: 2n })));
  check(broken.code === Code.FailedPrecondition && broken.details.length === 1, "an error in a stream");
  const late = await failureOf(() => collect(client.hear({ text: "m" }, { timeoutMs: 500 })));
  check(late.code === Code.DeadlineExceeded, "the deadline");

  const leaving = new AbortController();
  const left = await failureOf(async () => {
    for await (const message of client.hear({ text: "m" }, { signal: leaving.signal })) {
      check(message.text === "m0", "the first message comes while the call goes on");
      leaving.abort();
    }
  });
  check(left.code === Code.Canceled, "a client may leave");

  if (streams.includes("send")) {
    const sent = await client.send(sequence({ text: "a" }, { text: "b" }));
    check(sent.text === "a b" && sent.big === 2n, "a stream of requests");
  }
  if (streams.includes("chat")) {
    let answered;
    const turns = async function* () {
      yield { text: "a" };
      await new Promise((resolve) => (answered = resolve));
      yield { text: "b" };
    };
    const heard = [];
    for await (const message of client.chat(turns())) {
      heard.push(message.text);
      answered?.();
    }
    check(heard.join() === "a,b", "each answer comes before the next request");
  }
  check(create(words, {}).text === "", "the types are there");
}
