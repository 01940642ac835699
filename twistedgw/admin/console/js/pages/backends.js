// Backends: where calls go, the state of their channels, TLS.

import { get, patch, post, segments } from "../api.js";
import { button, fill, h } from "../dom.js";
import { count, short } from "../format.js";
import { empty, isOurs, originBadge, page, search, state, whyNot } from "../page.js";
import { objectDialog } from "../object-dialog.js";
import { removeObject } from "../remove.js";
import { refresh, remember } from "../router.js";
import { changed } from "../shell.js";
import { op, pagedTable } from "../table.js";
import { say, warn } from "../toast.js";

const EVERY = 5000;
const STATES = {
  ready: ["good", "Connected", "The channel is up."],
  idle: ["", "Idle", "It connects with the next call."],
  connecting: ["warn", "Connecting", "The channel is being made."],
  transient_failure: ["bad", "Failing", "The last attempt to connect failed; it tries again by itself."],
  shutdown: ["", "Closed", "The channel is closed."],
};

export default async function backends({ query, signal }) {
  let filter = query.q ?? "";
  const area = h("div.panel");
  const total = h("span.small.soft", { role: "status" });
  const create = () => button("Create", () => backendDialog(null, refresh), { icon: "plus", kind: "primary", "data-key": "create" });
  const show = async () => {
    const node = await list(filter, total, create, signal);
    const focused = area.contains(document.activeElement);
    if (!focused) fill(area, node);
  };
  await show();
  const find = (text) => {
    filter = text;
    remember("/backends", { q: filter });
    show().catch((error) => error.name === "AbortError" || warn(error));
  };
  const timer = setInterval(() => document.hidden || document.querySelector("dialog[open]") || area.querySelector("[data-paged]") || show().catch(() => {}), EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
  return page({ title: "Backends", lead: "The servers that calls go to. A channel is made once and kept; its state is looked at every few seconds." }, h("div.bar", create(), total, h("div.push.search", search("Find backends", filter, find))), area);
}

function list(filter, total, create, signal) {
  return pagedTable({
    caption: "Backends",
    load: async (token) => {
      const answer = await get("/backends", { filter, page_token: token, page_size: 200 }, signal);
      return { rows: answer.backends ?? [], next: answer.nextPageToken, total: answer.totalSize ?? 0 };
    },
    told: (number) => fill(total, number ? count(number, "backend") : ""),
    none: () => (filter ? empty("search", "No backend has these words") : empty("backend", "There is no backend yet", "A backend is a gRPC or HTTP server, by its address.", create())),
    columns: [
      { title: "Name", plain: true, cell: (it) => [h("span.name", short(it.name)), h("span.sub", originBadge(it.origin))] },
      { title: "State", kind: "tight", cell: channel },
      { title: "Address", cell: (it) => [(it.targets ?? []).map((target) => h("div.mono.small.break", target)), h("span.sub", protocolWords(it))] },
      { title: "TLS", cell: tls },
      { title: "In flight", cell: (it) => h("span.num", String(it.inFlight ?? 0), it.maxInFlight ? h("span.soft", ` of ${it.maxInFlight}`) : null) },
      { title: "Used by", cell: (it) => (it.usedBy?.length ? h("details", h("summary.small", count(it.usedBy.length, "object")), h("ul", it.usedBy.map((each) => h("li.small.break", each)))) : h("span.soft", "nobody")) },
      { title: "Operation", plain: true, cell: (it) => h("div.ops", op("Edit", () => backendDialog(it, refresh), { why: isOurs(it) ? "" : whyNot(it), label: `Edit ${short(it.name)}` }),
        op("Delete", () => removeObject(it, { what: "backend", title: short(it.name), means: "What names it can be deleted with it." }, refresh), { danger: true, why: isOurs(it) ? "" : whyNot(it), label: `Delete ${short(it.name)}` })) },
    ],
  });
}

function channel(it) {
  const [kind, text, title] = STATES[it.state] ?? ["", "Not watched", "HTTP backends are connected to for each call."];
  const node = state(kind, text);
  node.title = title;
  return node;
}

function protocolWords(it) {
  const word = { grpc: "gRPC", grpcs: "gRPC over TLS", http: "HTTP", https: "HTTPS" }[it.protocol] ?? it.protocol;
  return (it.targets?.length ?? 0) > 1 ? `${word}, ${it.loadBalancing === "pick_first" ? "the first that answers" : "in turn"}` : word;
}

function tls(it) {
  if (!it.protocol.endsWith("s")) return h("span.soft", "none");
  const files = it.tlsFiles ?? {};
  const own = Boolean(it.certificate || files.certificate);
  return [h("span", it.ca || files.ca ? "own CA" : "system roots", own ? ", client certificate" : ""), it.serverName && h("span.sub", `as ${it.serverName}`), files.ca && h("span.sub.mono", files.ca)];
}

function backendDialog(it, then) {
  const name = it ? short(it.name) : "";
  const secure = ({ protocol }) => protocol.endsWith("s");
  const grpc = ({ protocol }) => protocol.startsWith("grpc");
  objectDialog({
    title: it ? `Edit ${name}` : "Create a backend",
    action: it ? "Save" : "Create",
    wide: true,
    fields: [
      ...(it ? [] : [{ key: "id", label: "Name", mono: true, hint: "Letters, digits, _ . and -", names: ["backend_id", "backend.name"] }]),
      { key: "protocol", label: "Protocol", kind: "select", value: it?.protocol ?? "grpc", options: [["grpc", "gRPC"], ["grpcs", "gRPC over TLS (gRPCS)"], ["http", "HTTP"], ["https", "HTTPS"]], names: ["backend.protocol"] },
      { key: "targets", label: "Address", kind: "list", mono: true, value: it?.targets, placeholder: "orders.internal:50051", hint: "host:port, or several; a gRPC name such as dns:///orders:50051; one URL for HTTP.", names: ["backend.targets", "backend.target"] },
      { key: "loadBalancing", label: "Load balancing", kind: "select", value: it?.loadBalancing || "round_robin", options: [["round_robin", "In turn (round robin)"], ["pick_first", "The first that answers"]], names: ["backend.load_balancing"], shown: grpc },
      { key: "maxInFlight", label: "Calls at a time", optional: true, value: it?.maxInFlight ? String(it.maxInFlight) : "", hint: "Where empty, the gateway’s limit alone.", names: ["backend.max_in_flight"] },
      { key: "serverName", label: "Server name", mono: true, optional: true, value: it?.serverName, hint: "Verified and sent in place of the address’s.", names: ["backend.server_name"], shown: secure },
      { key: "ca", label: "CA certificates (PEM)", kind: "area", mono: true, optional: true, value: it?.ca, hint: "The system’s roots where empty.", names: ["backend.ca"], shown: secure },
      { key: "certificate", label: "Client certificate (PEM)", kind: "area", mono: true, optional: true, value: it?.certificate, names: ["backend.certificate"], shown: secure },
      { key: "privateKey", label: "Its private key (PEM)", kind: "area", mono: true, optional: true, placeholder: it?.certificate ? "kept as it is" : "", hint: "It is never shown again.", names: ["backend.private_key"], shown: secure },
    ],
    submit: async (values) => {
      const body = backendBody(values, secure(values), grpc(values));
      if (it) await patch(`/${segments(it.name)}`, { ...body, etag: it.etag }, { update_mask: masked(values) });
      else await post("/backends", body, { backend_id: values.id });
      say(it ? `${name} is saved` : `${values.id} is created`);
      changed();
    },
    then,
  });
}

function backendBody(values, secure, grpc) {
  const body = { protocol: values.protocol, targets: values.targets };
  if (grpc) body.loadBalancing = values.loadBalancing;
  if (values.maxInFlight) body.maxInFlight = /^\d+$/.test(values.maxInFlight) ? Number(values.maxInFlight) : values.maxInFlight;
  if (!secure) return body;
  for (const key of ["serverName", "ca", "certificate", "privateKey"]) if (values[key]) body[key] = values[key];
  return body;
}

function masked(values) {
  const all = ["protocol", "targets", "load_balancing", "max_in_flight", "server_name", "ca", "certificate"];
  return [...all, ...(values.privateKey || !values.certificate ? ["private_key"] : [])].join(",");
}
