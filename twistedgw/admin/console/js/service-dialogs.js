// Creates and changes the parts of a service: environments and APIs.

import { patch, post, segments } from "./api.js";
import { objectDialog } from "./object-dialog.js";
import { short } from "./format.js";
import { changed } from "./shell.js";
import { say } from "./toast.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** Creates an environment of a service, or changes one. */
export function environmentDialog(world, it, then) {
  const name = it ? short(it.name) : "";
  objectDialog({
    title: it ? `Edit ${name}` : "Add an environment",
    action: it ? "Save" : "Add",
    fields: [
      ...(it ? [] : [{ key: "id", label: "Name", mono: true, hint: "Beside release, prepub and test, which every service has.", names: ["environment_id", "environment.name"] }]),
      { key: "prefix", label: "Path prefix", mono: true, optional: true, value: it?.prefix, placeholder: `/${name || "name"}`, hint: "What the paths of its APIs begin with.", names: ["environment.prefix"] },
      { key: "backend", label: "Backend", kind: "select", value: it?.backend ?? "", options: [["", "The APIs’ own"], ...world.backends.map((each) => short(each.name))], hint: "Takes the place of the APIs’ backends here.", names: ["environment.backend"] },
      { key: "published", label: "Published", kind: "check", value: it ? it.published === true : true, hint: "Whether it is served at all.", names: ["environment.published"] },
    ],
    submit: async ({ id, ...body }) => {
      if (it) await patch(`/${segments(it.name)}`, { ...body, etag: it.etag }, { update_mask: "prefix,backend,published" });
      else await post(`/services/${encodeURIComponent(world.name)}/environments`, body, { environment_id: id });
      say(`${id ?? name} is saved`);
      changed();
    },
    then,
  });
}

/** Creates an API of a service, or changes one. */
export function apiDialog(world, it, then) {
  const name = it ? short(it.name) : "";
  const isGrpc = (backend) => (world.backends.find((each) => short(each.name) === backend)?.protocol ?? "").startsWith("grpc");
  const isWhole = (values) => values.kind === "whole" && isGrpc(values.backend);
  const isMapped = (values) => !isWhole(values);
  const first = world.backends.map((each) => short(each.name));
  objectDialog({
    title: it ? `Edit ${name}` : "Create an API",
    lead: first.length ? "" : "It needs a backend: create one first.",
    action: it ? "Save" : "Create",
    wide: true,
    fields: [
      ...(it ? [] : [{ key: "id", label: "Name", mono: true, hint: "Letters, digits, _ . and -", names: ["api_id", "api.name"] }]),
      { key: "backend", label: "Backend", kind: "select", value: it?.backend ?? first[0] ?? "", options: first.length ? first : [["", "There is no backend"]], names: ["api.backend"] },
      { key: "kind", label: "What it is", kind: "select", value: it && !it.path ? "whole" : "one", options: [["one", "One method and path"], ["whole", "A whole gRPC service, by the rules of its .proto"]], shown: (values) => isGrpc(values.backend) },
      { key: "method", label: "Method", kind: "select", value: it?.method ?? "GET", options: it?.method && !METHODS.includes(it.method) ? [...METHODS, "*", it.method] : [...METHODS, "*"], names: ["api.method"], shown: isMapped },
      { key: "path", label: "Path", mono: true, value: it?.path, placeholder: "/v1/orders/{order_id}", hint: "A template of google.api.http: {field} is one segment, {field=**} the rest.", names: ["api.path"], shown: isMapped },
      { key: "rpc", label: "RPC", mono: true, value: it?.rpc, placeholder: "package.Service/Method", hint: "Or package.Service/* for a whole service.", names: ["api.rpc"], shown: (values) => isGrpc(values.backend) },
      { key: "body", label: "Body", mono: true, optional: true, value: it ? it.body ?? "" : "", hint: "* for the whole message, or a field’s name. Empty: * for POST, PUT and PATCH, none for others.", names: ["api.body"], shown: (values) => isMapped(values) && isGrpc(values.backend) },
      { key: "responseBody", label: "Answer’s field", mono: true, optional: true, value: it?.responseBody, hint: "The field of the answer that is its body; the whole message where empty.", names: ["api.response_body"], shown: (values) => isMapped(values) && isGrpc(values.backend) },
      { key: "timeout", label: "Timeout", mono: true, optional: true, value: it?.timeout, placeholder: "5s", names: ["api.timeout"] },
      { key: "except", label: "Methods left out", kind: "list", mono: true, optional: true, value: it?.except, names: ["api.except"], shown: isWhole },
    ],
    submit: async (values) => {
      const body = apiBody(values, isWhole(values), isGrpc(values.backend));
      const mask = ["backend", "rpc", "method", "path", "response_body", "timeout", "except", ...(body.body === undefined && it?.body === undefined ? [] : ["body"])];
      if (it) await patch(`/${segments(it.name)}`, { ...body, etag: it.etag }, { update_mask: mask.join(",") });
      else await post(`/services/${encodeURIComponent(world.name)}/apis`, body, { api_id: values.id });
      say(it ? `${name} is saved` : `${values.id} is created. Bind a plugin to it, so that its requests are converted.`);
      changed();
    },
    then,
  });
}

function apiBody({ backend, rpc, method, path, body, responseBody, timeout, except }, whole, grpc) {
  const found = { backend };
  if (grpc) found.rpc = rpc;
  if (!whole) Object.assign(found, { method, path });
  if (!whole && grpc) {
    if (body) found.body = body;
    if (responseBody) found.responseBody = responseBody;
  }
  if (timeout) found.timeout = seconds(timeout);
  if (whole && except.length) found.except = except;
  return found;
}

/** Gives a duration as ProtoJSON has it: `500ms` becomes `0.5s`. What is none is left for the API to judge. */
export function seconds(text) {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(text.trim());
  if (!match) return text;
  const factor = { ms: 0.001, s: 1, m: 60, h: 3600 }[match[2] ?? "s"];
  return `${Number((Number(match[1]) * factor).toFixed(9))}s`;
}
