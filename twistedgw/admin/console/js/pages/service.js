// One service: its environments and its APIs.

import { download, get, listAll, patch, segments } from "../api.js";
import { bindDialog } from "../bind.js";
import { confirm, openDialog } from "../dialog.js";
import { button, h } from "../dom.js";
import { count, duration, short } from "../format.js";
import { dotted, empty, isOurs, originBadge, page, path, state, verb, whyNot } from "../page.js";
import { removeObject } from "../remove.js";
import { go, refresh } from "../router.js";
import { apiDialog, environmentDialog } from "../service-dialogs.js";
import { changed } from "../shell.js";
import { op, table } from "../table.js";
import { say, warn } from "../toast.js";
import { deleteService, serviceDialog } from "./services.js";

const ALWAYS = ["release", "prepub", "test"];

export default async function service({ params, signal }) {
  const base = `/services/${encodeURIComponent(params.name)}`;
  const [it, environments, apis, backends, plugins] = await Promise.all([
    get(base, {}, signal),
    listAll(`${base}/environments`, "environments", {}, signal),
    listAll(`${base}/apis`, "apis", {}, signal),
    listAll("/backends", "backends", {}, signal),
    listAll("/plugins", "plugins", {}, signal),
  ]);
  const world = { it, name: params.name, environments, apis, backends, plugins };
  const why = isOurs(it) ? "" : whyNot(it);
  return page({
    title: params.name,
    crumbs: [["Services", "#/services"], [params.name]],
    beside: originBadge(it.origin),
    lead: [it.description ? `${it.description.replace(/[.]$/, "")}. ` : "", `Answers to ${it.hosts?.length ? it.hosts.join(", ") : "any host"} by ${(it.protocols ?? []).map((each) => each.toUpperCase()).join(" and ") || "HTTP and HTTPS"}.`],
  }, h("div.bar", button("Create API", () => apiDialog(world, null, refresh), { icon: "plus", kind: "primary", "data-key": "create" }),
    button("Edit", () => (why ? warn(why) : serviceDialog(it, refresh)), why ? { "aria-disabled": "true", title: why } : {}),
    button("Delete", () => (why ? warn(why) : deleteService(it, () => go("/services"))), { kind: "danger", ...(why ? { "aria-disabled": "true", title: why } : {}) })),
  h("div.stack-large",
    h("section", h("div.section-head", h("h2", "APIs"), h("span.small.soft", count(apis.length, "API"))), h("div.panel", apiTable(world))),
    h("section", h("div.section-head", h("h2", "Environments"), button("Add environment", () => environmentDialog(world, null, refresh), { icon: "plus", kind: "compact" })), h("div.panel", environmentTable(world)))));
}

function environmentTable(world) {
  return table({
    caption: "Environments",
    rows: world.environments,
    columns: [
      { title: "Environment", plain: true, cell: (it) => [h("span.name", short(it.name)), h("span.sub", originBadge(it.origin))] },
      { title: "State", kind: "tight", cell: (it) => state(it.published ? "good" : "", it.published ? "Published" : "Offline") },
      { title: "Prefix", cell: (it) => path(it.prefix ?? "/") },
      { title: "Backend", cell: (it) => it.backend || h("span.soft", "the APIs’ own") },
      { title: "Routes", cell: (it) => [h("div.num", String(it.routeCount ?? 0)), it.published && it.unboundApis?.length ? h("span.small.warn", `no plugin is bound to ${it.unboundApis.join(", ")}`) : null] },
      { title: "Operation", plain: true, cell: (it) => environmentOps(world, it) },
    ],
  });
}

function environmentOps(world, it) {
  const name = short(it.name);
  const why = isOurs(it) ? "" : whyNot(it);
  return h("div.ops",
    op(it.published ? "Take offline" : "Publish", () => publish(world, it, !it.published), { why, danger: it.published, label: `${it.published ? "Take offline" : "Publish"}: ${name}` }),
    op("Bind plugin", () => choosePlugin(world, name), { label: `Bind a plugin in ${name}` }),
    op("Edit", () => environmentDialog(world, it, refresh), { why, label: `Edit ${name}` }),
    it.published && op("OpenAPI", () => save(world.name, name), { label: `OpenAPI of ${name}` }),
    !it.origin?.implied && !ALWAYS.includes(name) && op("Delete", () => removeObject(it, { what: "environment", title: name, means: "Its bindings can be deleted with it." }, refresh), { danger: true, why, label: `Delete ${name}` }));
}

async function publish(world, it, published) {
  const name = short(it.name);
  const run = () => patch(`/${segments(it.name)}`, { published, etag: it.etag }, { update_mask: "published" });
  if (published) {
    try {
      await run();
    } catch (error) {
      warn(error);
      return;
    }
  } else {
    const done = await confirm({ title: `Take ${name} offline?`, body: h("p", `${count(it.routeCount, "route")} of ${world.name} will answer 404 at once. Bindings are kept, and hold again when it is published.`), action: "Take offline", danger: true, run });
    if (!done) return;
  }
  say(published ? `${name} is published` : `${name} is offline`);
  changed();
  refresh();
}

function choosePlugin(world, environment) {
  const at = { service: world.name, environment };
  if (world.plugins.length === 1) {
    bindDialog(world.plugins[0], refresh, at);
    return;
  }
  const list = world.plugins.map((plugin) => h("li", button(short(plugin.name), () => {
    dialog.close();
    bindDialog(plugin, refresh, at);
  }, { kind: "quiet" }), h("span.small.soft", plugin.type)));
  const dialog = openDialog({ title: `Bind a plugin in ${environment}`, body: list.length ? h("ul.stack", list) : empty("plugin", "There is no plugin yet", "", h("a.button", { href: "#/plugins/-/new" }, "Create one")) });
}

async function save(service, environment) {
  try {
    const blob = await download("/openapi", { service, environment });
    const link = h("a", { href: URL.createObjectURL(blob), download: `${service}-${environment}.openapi.json` });
    link.click();
    URL.revokeObjectURL(link.href);
    say("The OpenAPI document is saved");
  } catch (error) {
    warn(error);
  }
}

function apiTable(world) {
  const published = world.environments.filter((each) => each.published).map((each) => short(each.name));
  if (!world.apis.length) return empty("route", "It has no APIs yet", "An API is a method and path that goes to an RPC of a backend, or a whole gRPC service.", button("Create API", () => apiDialog(world, null, refresh), { kind: "primary" }));
  return table({
    caption: "APIs",
    rows: world.apis,
    columns: [
      { title: "Name", plain: true, cell: (it) => [h("span.name", short(it.name)), h("span.sub", originBadge(it.origin))] },
      { title: "Request", cell: (it) => (it.path ? h("div.request", verb(it.method), path(it.path)) : h("span.soft", "the rules of its .proto")) },
      { title: "Goes to", cell: (it) => [h("span.mono.small", dotted(it.rpc ?? "")), h("span.sub", `backend ${it.backend}`, it.timeout ? `, ${duration(it.timeout)} at most` : "", it.except?.length ? `, without ${it.except.join(", ")}` : "")] },
      { title: "Plugins", cell: (it) => pluginCells(world, it, published) },
      { title: "Operation", plain: true, cell: (it) => h("div.ops", op("Edit", () => apiDialog(world, it, refresh), { why: isOurs(it) ? "" : whyNot(it), label: `Edit ${short(it.name)}` }),
        op("Delete", () => removeObject(it, { what: "API", title: short(it.name), means: "It can be taken out of the bindings that name it." }, refresh), { danger: true, why: isOurs(it) ? "" : whyNot(it), label: `Delete ${short(it.name)}` })) },
    ],
  });
}

function pluginCells(world, it, published) {
  const bound = it.plugins ?? [];
  const missing = published.filter((name) => world.environments.some((each) => short(each.name) === name && each.unboundApis?.includes(short(it.name))));
  return h("div", bound.map((each) => h("div.small", `${each.environment}: `, h("a", { href: `#/plugins/${encodeURIComponent(each.plugin)}` }, each.plugin))), missing.length > 0 && h("div.small.warn", { title: "Every request there answers PLUGIN_NOT_BOUND" }, `none in ${missing.join(", ")}`), !bound.length && !missing.length && h("span.soft", "–"));
}
