// Services and their methods, messages and their fields: what a plugin describes, as a tree that opens and closes.

import { h } from "./dom.js";
import { count, leaf } from "./format.js";
import { href } from "./router.js";
import { path, verb } from "./page.js";

/**
 * Shows services with their methods.
 * @param {object[]} services of a PluginSchema.
 * @param {object} [options]
 * @param {string} [options.plugin] its name; links to messages and to the source go there.
 */
export function serviceTree(services, { plugin = "", open = true } = {}) {
  return h("div.tree", services.map((service) => h("details", { open },
    h("summary", h("span.break", service.fullName), service.deprecated && h("span.badge.warn", "deprecated"), h("span.end.small.soft", count(service.methods?.length, "method"))),
    h("div.tree-body", service.comment && h("p.comment", service.comment), (service.methods ?? []).map((method) => methodRow(method, plugin))))));
}

function methodRow(method, plugin) {
  const name = method.rpc.split("/")[1];
  return h("div.method",
    h("div.method-head", h("h2", name), streaming(method), method.deprecated && h("span.badge.warn", "deprecated"),
      plugin && h("a.op", { href: href("/try", { plugin, rpc: method.rpc }), "aria-label": `Try ${name}` }, "Try it")),
    method.comment && h("p.soft.small", method.comment),
    h("div.signature", typeLink(method.requestType, plugin), " → ", typeLink(method.responseType, plugin), plugin && method.file ? [" · ", placeLink(plugin, method)] : null),
    (method.rules ?? []).length > 0 && h("ul.rules", method.rules.map((rule) => h("li", verb(rule.method), path(rule.path),
      rule.body && h("span.small.soft", `body ${rule.body}`), rule.responseBody && h("span.small.soft", `answers ${rule.responseBody}`)))));
}

function streaming({ clientStreaming, serverStreaming }) {
  if (clientStreaming && serverStreaming) return h("span.badge.accent", "streams both ways");
  if (serverStreaming) return h("span.badge.accent", "streams answers");
  return clientStreaming ? h("span.badge.accent", "streams requests") : null;
}

/** A link to where something stands in a plugin's source. */
export function placeLink(plugin, { file, line }) {
  return h("a", { href: href(`/plugins/${encodeURIComponent(plugin)}`, { tab: "source", file, line }) }, `${file.split("/").pop()}:${line}`);
}

/** A type's name; a link to it where the plugin describes it. */
export function typeLink(name, plugin) {
  if (!name) return "";
  if (!plugin || name.startsWith("google.")) return h("span", { title: name }, leaf(name));
  return h("a", { href: href(`/plugins/${encodeURIComponent(plugin)}`, { tab: "messages", type: name }), title: name }, leaf(name));
}

/** Shows messages and enums with their fields; `chosen` is the full name of the one that is open. */
export function typeTree({ messages = [], enums = [] }, { plugin = "", chosen = "" } = {}) {
  const all = [...messages.map((each) => ["message", each]), ...enums.map((each) => ["enum", each])];
  return h("div.tree", all.map(([kind, each]) => h("details", { open: each.fullName === chosen || all.length <= 3, data: { type: each.fullName } },
    h("summary", h("span.break", each.fullName), each.deprecated && h("span.badge.warn", "deprecated"),
      h("span.end.small.soft", kind === "enum" ? count(each.values?.length, "value") : count(each.fields?.length, "field"))),
    h("div.tree-body", (each.comment || each.file) && h("p.comment", each.comment, each.comment ? " " : "", plugin && each.file ? placeLink(plugin, each) : null),
      kind === "enum" ? enumTable(each) : fieldTable(each, plugin)))));
}

function fieldTable(message, plugin) {
  if (!message.fields?.length) return h("p.soft.small.comment", "It has no fields.");
  return h("table.table", h("caption.unseen", `Fields of ${message.fullName}`),
    h("thead", h("tr", ["Number", "Name", "Type", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", message.fields.map((field) => h("tr",
      h("td.num.soft", { data: { label: "Number" } }, String(field.number)),
      h("td", { data: { label: "Name" } }, h("div", h("span.mono.strong", field.name), field.jsonName !== camel(field.name) && h("span.sub", `JSON: ${field.jsonName}`))),
      h("td.mono", { data: { label: "Type" } }, h("div", fieldType(field, plugin))),
      h("td.small", { data: { label: "Meaning" } }, h("div", field.comment, fieldBadges(field)))))));
}

function fieldBadges(field) {
  const words = [field.required && "required", field.oneof && `one of ${field.oneof}`, ...(field.behaviors ?? []).filter((each) => each !== "REQUIRED").map((each) => each.toLowerCase().replaceAll("_", " "))];
  const badges = [...words.filter(Boolean).map((word) => h("span.badge", word)), ...(field.deprecated ? [h("span.badge.warn", "deprecated")] : [])];
  return badges.length ? h("span.row", badges) : null;
}

function fieldType(field, plugin) {
  if (field.kind === "map") return ["map<", field.keyKind, ", ", field.typeName ? typeLink(field.typeName, plugin) : field.valueKind, ">"];
  const type = field.typeName ? typeLink(field.typeName, plugin) : field.kind;
  return field.repeated ? ["repeated ", type] : [type];
}

function enumTable(type) {
  return h("table.table.keep", h("caption.unseen", `Values of ${type.fullName}`),
    h("thead", h("tr", ["Number", "Name", "Meaning"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", (type.values ?? []).map((value) => h("tr", h("td.num.soft", String(value.number ?? 0)), h("td.mono.strong.break", value.name), h("td.small", value.comment ?? "")))));
}

function camel(name) {
  return name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}
