// Explain: what a request would become, without sending it; and what it nearly matched.

import { post } from "../api.js";
import { json } from "../code.js";
import { sentence } from "../dialog.js";
import { button, fill, h, whileBusy } from "../dom.js";
import { field, select, showError, textInput } from "../form.js";
import { page, path, verb } from "../page.js";
import { href, remember } from "../router.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const STREAMING = { request: "the client sends a stream", response: "the backend answers with a stream", both: "both sides stream" };

export default async function explain({ query }) {
  const method = select(METHODS, query.method ?? "GET");
  const url = textInput({ value: query.url ?? "", mono: true, placeholder: "/v1/orders/7?view=full", data: { key: "search" } });
  const headers = h("textarea.input.mono", { rows: "3", spellcheck: "false", value: query.headers ?? "", placeholder: "accept: application/json" });
  const body = h("textarea.input.mono", { rows: "5", spellcheck: "false", value: query.body ?? "" });
  const fields = [
    field({ label: "Method", control: method, names: ["method"] }),
    field({ label: "URL or path", control: url, names: ["url"], hint: "With the host where a service has hosts: http://books.example.com/v1/shelves" }),
    field({ label: "Headers", control: headers, optional: true, hint: "One a line: name: value.", names: ["headers"] }),
    field({ label: "Body", control: body, optional: true, names: ["body"] }),
  ];
  const summary = h("div");
  const answer = h("section.stack-large", { "aria-live": "polite", "aria-label": "Explanation" });
  const submit = button("Explain", null, { icon: "explain", kind: "primary", type: "submit" });
  const run = () => whileBusy(submit, async () => {
    const asked = { method: method.value, url: url.value.trim(), headers: headers.value, body: body.value };
    remember("/explain", asked);
    fill(summary);
    try {
      const found = await post(":explain", { method: asked.method, url: asked.url, headers: parsed(asked.headers), body: asked.body });
      for (const each of fields) each.setError("");
      fill(answer, view(found.explanation ?? {}));
    } catch (error) {
      fill(answer);
      showError(error, fields, summary);
    }
  });
  const form = h("form.stack", { novalidate: true, on: { submit: (event) => { event.preventDefault(); run(); }, keydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(); } } },
    fields.map((each) => each.node), summary, h("div.row", submit));
  if (query.url) await run();
  return page({ title: "Explain", lead: "What a request would become, by which rule, without sending it. Where it matches nothing, what it nearly matched." }, h("div.columns", form, answer));
}

function parsed(text) {
  return text.split("\n").filter((line) => line.includes(":")).map((line) => ({ name: line.slice(0, line.indexOf(":")).trim(), value: line.slice(line.indexOf(":") + 1).trim() }));
}

function view({ route, outgoing, refusal, nearMisses, elsewhere, notes, ...rest }) {
  return [
    verdict(route, outgoing, refusal),
    (notes ?? []).map((text) => h("div.notice", text)),
    (elsewhere ?? []).length > 0 && h("div.notice.accent", h("div", h("strong", "It is served elsewhere"), h("ul", elsewhere.map((at) => h("li.mono.small", at))))),
    route && h("section.stack", h("h2", "Route"), facts(routeFacts(route))),
    outgoing && h("section.stack", h("h2", "What is sent"), facts(outgoingFacts(outgoing)), messages(outgoing)),
    refusal && h("section.stack", h("h2", "What the client gets"), h("pre.code.plain", json(ordered(refusal.body)))),
    (nearMisses ?? []).length > 0 && h("section.stack", h("h2", "Near misses"), h("div.panel", h("ul.timeline", nearMisses.map(miss)))),
    !route && !refusal && h("pre.code.plain", json(rest)),
  ];
}

/** A Struct keeps no order: code and message come first. */
function ordered(body) {
  if (body === null || typeof body !== "object") return body;
  const { code, message, details, ...rest } = body;
  return { code, message, ...rest, details };
}

function verdict(route, outgoing, refusal) {
  if (refusal) return h("div.notice.bad", h("div", h("strong", `${refusal.status}: it is refused`), h("p", sentence(refusal.body?.message ?? refusal.body?.error?.message ?? ""))));
  if (!outgoing) return null;
  const to = outgoing.url ?? `${route?.rpc ?? ""}`;
  return h("div.notice.good", h("div", h("strong", "It is sent on"), h("p.break", "to ", h("span.mono", to), route?.backend?.name ? ` of backend ${route.backend.name}` : "")));
}

function facts(pairs) {
  return h("div.panel.pad", h("dl.facts", pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false).map(([name, value]) => [h("dt", name), h("dd", value)])));
}

function routeFacts(route) {
  return [
    ["Rule", h("span.row", verb(route.method), path(route.template ?? ""))],
    ["Comes from", h("span.mono.small", route.written ?? "")],
    ["Kind", route.kind],
    ["RPC", h("span.mono.small", route.rpc ?? "")],
    ["API", `${route.service} · ${route.environment} · ${route.api}`],
    ["Plugin", route.plugin && h("a", { href: `#/plugins/${encodeURIComponent(route.plugin)}` }, route.plugin)],
    ["Backend", route.backend?.name && `${route.backend.name} (${(route.backend.targets ?? []).join(", ")})`],
    ["Streaming", STREAMING[route.streaming]],
    ["Variables", (route.variables ?? []).length > 0 && route.variables.map(({ name, value }) => h("div.mono.small", `${name} = ${JSON.stringify(value)}`))],
  ];
}

function outgoingFacts(outgoing) {
  return [
    ["URL", outgoing.url],
    ["Message", outgoing.type],
    ["Deadline", outgoing.timeout === undefined || outgoing.timeout === null ? "none" : `${outgoing.timeout} s`],
    ["Metadata", (outgoing.metadata ?? []).length > 0 && outgoing.metadata.map(({ key, value }) => h("div.mono.small.break", `${key}: ${value}`))],
  ];
}

function messages(outgoing) {
  const list = outgoing.messages ?? (outgoing.message === undefined ? [] : [outgoing.message]);
  return list.map((message) => h("pre.code.plain", json(message)));
}

function miss(each) {
  return h("li", verb(each.method), h("span", path(each.template ?? "")), h("a.op", { href: href("/try", { service: each.service, environment: each.environment, method: each.method, path: each.template }), "aria-label": `Try ${each.method} ${each.template}` }, "Try it"),
    h("span.under", each.why), h("span.under", `${each.service} · ${each.environment} · ${each.api}`, each.written ? ` · ${each.written.split("/").pop()}` : ""));
}

