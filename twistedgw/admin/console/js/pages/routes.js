// Routes: everything that is served, with the rule that made it.

import { get, listAll } from "../api.js";
import { fill, h } from "../dom.js";
import { select } from "../form.js";
import { count, duration, short } from "../format.js";
import { dotted, empty, page, path, search, verb } from "../page.js";
import { href, remember } from "../router.js";
import { pagedTable } from "../table.js";
import { warn } from "../toast.js";

const KINDS = {
  api: "an API’s own rule",
  "google.api.http": "google.api.http",
  default: "the RPC’s own path",
  proxy: "an HTTP backend",
  unbound: "no plugin is bound",
};

export default async function routes({ query, signal }) {
  const services = await listAll("/services", "services", {}, signal);
  const wanted = { q: query.q ?? "", service: query.service ?? "", environment: query.environment ?? "" };
  const area = h("div.panel");
  const total = h("span.small.soft", { role: "status" });
  const show = async () => fill(area, await list(wanted, total, signal));
  const change = (more) => {
    Object.assign(wanted, more);
    remember("/routes", wanted);
    show().catch((error) => error.name === "AbortError" || warn(error));
  };
  const names = services.map((each) => short(each.name));
  const environments = [...new Set(services.flatMap((each) => (each.environments ?? []).map((one) => one.environment)))];
  const pick = (label, every, options, key) => h("div", select([["", every], ...options], wanted[key], { "aria-label": label, on: { change: (event) => change({ [key]: event.target.value }) } }));
  await show();
  return page({ title: "Routes", lead: "Everything that is served, and the rule that made it." },
    h("div.bar", pick("Service", "All services", names, "service"), pick("Environment", "All environments", environments, "environment"), total,
      h("div.push.search", search("Find routes", wanted.q, (q) => change({ q })))), area);
}

function list(wanted, total, signal) {
  return pagedTable({
    caption: "Routes",
    load: async (token) => {
      const answer = await get("/routes", { filter: wanted.q, service: wanted.service, environment: wanted.environment, page_size: 100, page_token: token }, signal);
      return { rows: answer.routes ?? [], next: answer.nextPageToken, total: answer.totalSize ?? 0 };
    },
    told: (number) => fill(total, number ? count(number, "route") : ""),
    none: () => (wanted.q || wanted.service || wanted.environment
      ? empty("search", "No route is like that", "All words must occur in the row: method, path, RPC, service, plugin.")
      : empty("route", "Nothing is served yet", "Create a service with an API, and bind a plugin to it.", h("a.button", { href: "#/services" }, "Go to the services"))),
    columns: [
      { title: "Request", plain: true, cell: (it) => h("div.request", verb(it.method), path(it.path)) },
      { title: "Goes to", cell: goesTo },
      { title: "Published as", cell: (it) => [h("a", { href: `#/services/${encodeURIComponent(it.service)}` }, it.service), h("span.sub", `${it.environment} · ${it.api}`)] },
      { title: "Rule", cell: rule },
      { title: "Operation", plain: true, cell: (it) => h("div.ops", h("a.op", { href: tryHref(it), "aria-label": `Try ${it.method} ${it.path}` }, "Try it"), h("a.op", { href: href("/explain", { method: it.method === "*" ? "GET" : it.method, url: explainUrl(it) }), "aria-label": `Explain ${it.method} ${it.path}` }, "Explain")) },
    ],
  });
}

function goesTo(it) {
  const badge = it.kind === "unbound" ? h("span.badge.bad", "PLUGIN_NOT_BOUND") : null;
  const stream = it.clientStreaming || it.serverStreaming ? h("span.badge.accent", it.clientStreaming && it.serverStreaming ? "both ways" : it.serverStreaming ? "streams answers" : "streams requests") : null;
  return [h("span.mono.small", dotted(it.rpc || `backend ${it.backend}`)), h("span.sub", joined([it.plugin && h("a", { href: `#/plugins/${encodeURIComponent(it.plugin)}` }, it.plugin), it.body && `body ${it.body}`, it.timeout && `at most ${duration(it.timeout)}`]), " ", stream, badge)];
}

function joined(parts) {
  return parts.filter(Boolean).flatMap((part, index) => (index ? [" · ", part] : [part]));
}

function rule(it) {
  const match = /^(.*\.proto):(\d+)$/.exec(it.rule ?? "");
  const at = it.rule ? it.rule.split("/").pop() : "";
  return [h("span.small", KINDS[it.kind] ?? it.kind), at && h("span.sub.mono.nowrap", { title: it.rule }, match && it.plugin ? h("a", { href: href(`/plugins/${encodeURIComponent(it.plugin)}`, { tab: "source", file: match[1], line: match[2] }) }, at) : at)];
}

function explainUrl(it) {
  const host = it.hosts?.[0] ? `http://${it.hosts[0].replace(/^\*/, "www")}` : "";
  return `${host}${it.path.replace(/\{([^}=]+)(=[^}]*)?\}/g, "1")}`;
}

/** The address of *Try it* for a route. */
export function tryHref(it) {
  return href("/try", { service: it.service, environment: it.environment, method: it.method, path: it.path });
}
