// One plugin: what is in it, its source, who uses it.

import { get, post, segments } from "../api.js";
import { bindDialog } from "../bind.js";
import { viewer } from "../code.js";
import { confirm } from "../dialog.js";
import { button, h, icon } from "../dom.js";
import { ago, bytes, count, moment, short } from "../format.js";
import { empty, isOurs, originBadge, page, search, whyNot } from "../page.js";
import { deletePlugin } from "../plugin-delete.js";
import { go, href, refresh } from "../router.js";
import { changed } from "../shell.js";
import { op, table } from "../table.js";
import { say, warn } from "../toast.js";
import { serviceTree, typeTree } from "../tree.js";
import { pluginTypes, typeTitle } from "../types.js";

export default async function plugin({ params, query, signal }) {
  const path = `/plugins/${encodeURIComponent(params.name)}`;
  const [types, it] = await Promise.all([pluginTypes(), get(path, { view: "FULL" }, signal)]);
  const type = types.find((each) => each.name === it.type);
  const tabs = type?.hasSource
    ? [["services", "Services", it.services?.length], ["messages", "Messages", (it.schema?.messages?.length ?? 0) + (it.schema?.enums?.length ?? 0)], ["source", "Source", it.source?.files?.length], ["used", "Used by", it.boundApiCount], ["options", "Options"]]
    : [["options", "Options"], ["used", "Used by", it.boundApiCount]];
  const tab = tabs.some(([name]) => name === query.tab) ? query.tab : tabs[0][0];
  const show = { services: servicesTab, messages: messagesTab, source: sourceTab, used: usedTab, options: optionsTab }[tab];
  return page({
    title: params.name,
    crumbs: [["Plugin"], ["System Plugin", "#/plugins"], [params.name]],
    beside: [h("span.badge.accent", typeTitle(types, it.type)), it.version ? h("span.badge", `version ${it.version}`) : null, originBadge(it.origin)],
    lead: summary(it),
  }, actions(params.name, it), h("nav.tabs", { "aria-label": "Of this plugin" }, tabs.map(([name, text, number]) =>
    h("a", { href: href(path, { tab: name }), "aria-current": name === tab ? "page" : null }, text, number ? h("span.count", String(number)) : null))),
  show(params.name, it, query, type));
}

function summary(it) {
  const from = { reflection: `Read from the backend ${it.source?.reflection} by reflection.`, descriptor_set: "Made from a descriptor set." }[it.source?.kind] ?? "";
  return h("span", from, from && " ", "Modified ", h("time", { datetime: it.updateTime, title: moment(it.updateTime) }, ago(it.updateTime)), ".");
}

function actions(name, it) {
  const base = `/plugins/${encodeURIComponent(name)}`;
  const why = isOurs(it) ? "" : whyNot(it);
  return h("div.bar", button("Bind API", () => bindDialog(it, refresh), { kind: "primary" }),
    why ? button("Edit", () => warn(why), { "aria-disabled": "true", title: why }) : h("a.button", { href: `#${base}/edit` }, "Edit"),
    h("a.button", { href: `#${base}/versions` }, "Versions"),
    button("Delete", () => (why ? warn(why) : deletePlugin(it, () => go("/plugins"))), { kind: "danger", ...(why ? { "aria-disabled": "true", title: why } : {}) }));
}

function servicesTab(name, it) {
  const services = it.schema?.services ?? [];
  if (!services.length) return h("div.panel", empty("plugin", "It describes no service", "Messages alone can be imported by others, but no API can be converted with them."));
  return serviceTree(services, { plugin: name, open: services.length <= 5 });
}

function messagesTab(name, it, query) {
  const tree = typeTree(it.schema ?? {}, { plugin: name, chosen: query.type ?? "" });
  if (!tree.children.length) return h("div.panel", empty("plugin", "It describes no message"));
  if (query.type) requestAnimationFrame(() => tree.querySelector(`[data-type="${CSS.escape(query.type)}"]`)?.scrollIntoView({ block: "center" }));
  const find = (text) => {
    const words = text.toLowerCase().split(/\s+/);
    for (const each of tree.children) each.hidden = !words.every((word) => each.textContent.toLowerCase().includes(word));
  };
  return h("div", h("div.bar", h("div.search", search("Find messages and fields", "", find))), tree);
}

function sourceTab(name, it, query) {
  const files = it.source?.files ?? [];
  if (!files.length) return h("div.panel", empty("file", "There is no text to show", it.source?.kind === "reflection" ? "The description comes from the backend itself." : "A descriptor set is compiled already."));
  const isWanted = (file) => file.path === query.file || file.path.endsWith(`/${query.file}`);
  const shown = files.find(isWanted) ?? files[0];
  const problems = (it.schema?.warnings ?? []).filter((problem) => problem.line && (problem.file === shown.path || shown.path.endsWith(`/${problem.file}`)));
  const base = `/plugins/${encodeURIComponent(name)}`;
  return h("div.stack",
    files.length > 1 && h("ul.filelist", files.map((file) => h("li", { data: file === shown ? { on: "" } : {} }, icon("file"), h("a.open", { href: href(base, { tab: "source", file: file.path }), "aria-current": file === shown ? "true" : null }, file.path), h("span.small.soft.nowrap", bytes(file.sizeBytes))))),
    files.length === 1 && h("p.small.soft.break", h("span.mono", shown.path), ` · ${bytes(shown.sizeBytes)}`),
    viewer(shown.content ?? "", { problems, line: Number(query.line ?? 0), label: shown.path }));
}

function usedTab(name, it) {
  const uses = it.boundApis ?? [];
  if (!uses.length) return h("div.panel", empty("route", "It is not bound to any API", "Bind it to the APIs that shall use it. It takes effect at once.", button("Bind API", () => bindDialog(it, refresh), { kind: "primary" })));
  return h("div.panel", table({
    caption: "APIs that it is bound to",
    rows: uses,
    columns: [
      { title: "Service", cell: (use) => h("a.name", { href: `#/services/${encodeURIComponent(use.service)}` }, use.service) },
      { title: "Environment", cell: (use) => use.environment },
      { title: "API", cell: (use) => h("span.break", use.api) },
      { title: "Binding", cell: (use) => h("span.soft.break", short(use.binding)) },
      { title: "Operation", plain: true, cell: (use) => op("Unbind", () => unbind(it, use), { danger: true, why: use.readOnly ? "This binding is one of the operator’s own files, and is changed there." : "", label: `Unbind ${use.api} in ${use.environment}` }) },
    ],
  }));
}

async function unbind(it, use) {
  const done = await confirm({
    title: `Unbind ${use.api}?`,
    body: h("p", `Requests to ${use.api} of ${use.service} in ${use.environment} will not be converted any more: they answer PLUGIN_NOT_BOUND, at once.`),
    action: "Unbind",
    danger: true,
    run: () => post(`/${segments(it.name)}:unbind`, { service: use.service, environment: use.environment, apis: [use.api] }),
  });
  if (!done) return;
  say(`${use.api} is unbound in ${use.environment}`);
  changed();
  refresh();
}

function optionsTab(name, it, query, type) {
  const options = type?.options ?? [];
  return h("div.panel", table({
    caption: "Options",
    rows: options,
    columns: [
      { title: "Option", cell: (option) => h("span.mono.strong", option.name) },
      { title: "Value", cell: (option) => (it.options?.[option.name] === undefined ? h("span.soft", option.default ? `${option.default} (default)` : "–") : h("span.mono.break", it.options[option.name])) },
      { title: "Meaning", cell: (option) => h("span.small", option.description) },
    ],
  }), options.length === 0 && empty("plugin", "This type has no options", count(0, "option")));
}
