// @connectrpc/connect-node: node node.js BASE_URL DESCRIPTOR_SET [CA]; with a CA over HTTP/2 too. Prints what was done.

import { readFileSync } from "node:fs";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { byConnect, types } from "./calls.js";

const [plain, set, secure, ca] = process.argv.slice(2);
const known = types(readFileSync(set));
const nodeOptions = ca ? { ca: readFileSync(ca) } : {};
const places = [[plain, "1.1", ["send"]]];
if (secure) {
  places.push([secure, "2", ["send", "chat"]]);
}

for (const [baseUrl, httpVersion, streams] of places) {
  const common = { baseUrl, httpVersion, nodeOptions };
  for (const useBinaryFormat of [true, false]) {
    await byConnect(createConnectTransport({ ...common, useBinaryFormat, useHttpGet: true }), known, streams);
    console.log(`connect-node ${httpVersion} Connect ${useBinaryFormat ? "protobuf" : "JSON"}`);
    await byConnect(createGrpcWebTransport({ ...common, useBinaryFormat }), known, streams);
    console.log(`connect-node ${httpVersion} gRPC-Web ${useBinaryFormat ? "protobuf" : "JSON"}`);
  }
}
process.exit(0);
