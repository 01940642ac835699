// @connectrpc/connect-web and grpc-web in a page: /?gateway=BASE_URL; what was done, or went wrong, is POSTed to /done.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import { byConnect, check, types } from "./calls.js";

const baseUrl = new URLSearchParams(location.search).get("gateway");

function method(known, name, kind) {
  const write = (message) => toBinary(known.words, message);
  const read = (bytes) => fromBinary(known.words, bytes);
  return new MethodDescriptor(`/talk.v1.Talk/${name}`, kind, Object, Object, write, read);
}

async function byGrpcWeb(format, known) {
  const client = new GrpcWebClientBase({ format });
  const words = (fields) => create(known.words, fields);
  const unary = (name, request) =>
    client.unaryCall(`${baseUrl}/talk.v1.Talk/${name}`, request, {}, method(known, name, MethodType.UNARY));
  const long = "x".repeat(5000);
  check((await unary("Tell", words({ text: long }))).text === long, "Tell echoes");

  const failure = await unary("Tell", words({ text: "fail" })).then(() => null, (error) => error);
  check(failure?.code === 9, `the code, which is ${failure?.code}`);
  check(failure.message === "it f\u00e4iled", `the message, which is ${failure.message}`);

  if (format === "text") {
    const hear = method(known, "Hear", MethodType.SERVER_STREAMING);
    const url = `${baseUrl}/talk.v1.Talk/Hear`;
    const texts = await new Promise((resolve, reject) => {
      const heard = [];
      const stream = client.serverStreaming(url, words({ text: "m", big: 3n }), {}, hear);
      stream.on("data", (message) => heard.push(message.text));
      stream.on("error", reject);
      stream.on("end", () => resolve(heard.join(" ")));
    });
    check(texts === "m0 m1 m2", "a stream of answers");
    await new Promise((resolve, reject) => {
      const stream = client.serverStreaming(url, words({ text: "m" }), {}, hear);
      stream.on("error", reject);
      stream.on("data", (message) => {
        check(message.text === "m0", "the first message comes while the call goes on");
        stream.cancel();
        resolve();
      });
    });
  }
}

async function all() {
  const known = types(new Uint8Array(await (await fetch("/types.bin")).arrayBuffer()));
  const done = [];
  for (const useBinaryFormat of [true, false]) {
    const form = useBinaryFormat ? "protobuf" : "JSON";
    await byConnect(createConnectTransport({ baseUrl, useBinaryFormat, useHttpGet: true }), known);
    done.push(`connect-web Connect ${form}`);
    await byConnect(createGrpcWebTransport({ baseUrl, useBinaryFormat }), known);
    done.push(`connect-web gRPC-Web ${form}`);
  }
  for (const format of ["text", "binary"]) {
    await byGrpcWeb(format, known);
    done.push(`grpc-web ${format}`);
  }
  return done;
}

const result = await all().then(
  (done) => ({ done }),
  (error) => ({ error: `${error?.stack ?? error}` }),
);
await fetch("/done", { method: "POST", body: JSON.stringify(result) });
