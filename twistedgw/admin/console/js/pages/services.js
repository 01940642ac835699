// Services: the list.

import { get, patch, post, segments } from "../api.js";
import { button, fill, h } from "../dom.js";
import { count, short } from "../format.js";
import { empty, isOurs, originBadge, page, search, state, whyNot } from "../page.js";
import { objectDialog } from "../object-dialog.js";
import { removeObject } from "../remove.js";
import { go, refresh, remember } from "../router.js";
import { changed } from "../shell.js";
import { op, pagedTable } from "../table.js";
import { say, warn } from "../toast.js";

export default async function services({ query, signal }) {
  const area = h("div.panel");
  const total = h("span.small.soft", { role: "status" });
  const create = () => button("Create", () => serviceDialog(null, (name) => go(`/services/${encodeURIComponent(name)}`)), { icon: "plus", kind: "primary", "data-key": "create" });
  const show = async (filter) => fill(area, await pagedTable({
    caption: "Services",
    load: async (token) => {
      const answer = await get("/services", { filter, page_token: token, page_size: 100 }, signal);
      return { rows: answer.services ?? [], next: answer.nextPageToken, total: answer.totalSize ?? 0 };
    },
    told: (number) => fill(total, number ? count(number, "service") : ""),
    none: () => (filter ? empty("search", "No service has these words") : empty("service", "There is no service yet", "A service is a group of APIs with hosts of its own, published in environments.", create())),
    columns: [
      { title: "Name", plain: true, cell: (it) => [h("a.name", { href: `#/services/${encodeURIComponent(short(it.name))}` }, short(it.name)), h("span.sub", it.description), h("span.sub", originBadge(it.origin))] },
      { title: "Hosts", cell: (it) => h("span.break", it.hosts?.length ? it.hosts.join(", ") : h("span.soft", "any")) },
      { title: "Environments", cell: (it) => h("div.stack.tight", (it.environments ?? []).map((each) => h("div", state(each.published ? (each.unboundApis?.length ? "warn" : "good") : "", each.environment), h("span.small.soft", each.published ? ` ${count(each.routeCount, "route")}` : " offline"), each.published && each.unboundApis?.length ? h("span.small.warn", `, ${each.unboundApis.length} without a plugin`) : null))) },
      { title: "APIs", kind: "num", cell: (it) => String(it.apiCount ?? 0) },
      { title: "Operation", plain: true, cell: (it) => h("div.ops", op("Edit", () => serviceDialog(it, refresh), { why: isOurs(it) ? "" : whyNot(it), label: `Edit ${short(it.name)}` }), op("Delete", () => deleteService(it, refresh), { danger: true, why: isOurs(it) ? "" : whyNot(it), label: `Delete ${short(it.name)}` })) },
    ],
  }));
  await show(query.q ?? "");
  const find = (filter) => {
    remember("/services", { q: filter });
    show(filter).catch((error) => error.name === "AbortError" || warn(error));
  };
  return page({ title: "Services", lead: "A service is a group of APIs. Each environment publishes it at a path of its own, with bindings of its own." }, h("div.bar", create(), total, h("div.push.search", search("Find services", query.q ?? "", find))), area);
}

/** Creates a service, or changes one. */
export function serviceDialog(it, then) {
  let name = it ? short(it.name) : "";
  objectDialog({
    title: it ? `Edit ${name}` : "Create a service",
    action: it ? "Save" : "Create",
    fields: [
      ...(it ? [] : [{ key: "id", label: "Name", mono: true, hint: "Letters, digits, _ . and -", names: ["service_id", "service.name"] }]),
      { key: "description", label: "Description", value: it?.description, optional: true, names: ["service.description"] },
      { key: "hosts", label: "Hosts", kind: "list", mono: true, value: it?.hosts, optional: true, placeholder: "api.example.com, *.example.com", hint: "Without ports; any host where empty.", names: ["service.hosts"] },
      { key: "protocols", label: "Protocols", kind: "select", value: (it?.protocols?.length === 1 ? it.protocols[0] : ""), options: [["", "HTTP and HTTPS"], ["http", "HTTP only"], ["https", "HTTPS only"]], names: ["service.protocols"] },
    ],
    submit: async ({ id, protocols, ...rest }) => {
      const body = { ...rest, protocols: protocols ? [protocols] : ["http", "https"] };
      if (it) await patch(`/${segments(it.name)}`, { ...body, etag: it.etag }, { update_mask: "description,hosts,protocols" });
      else await post("/services", body, { service_id: id });
      name = id ?? name;
      say(it ? `${name} is saved` : `${name} is created. Add an API to it.`);
      changed();
    },
    then: () => then(name),
  });
}

/** Deletes a service. */
export function deleteService(it, then) {
  removeObject(it, { what: "service", title: short(it.name), means: "Its APIs, environments and bindings can be deleted with it." }, then);
}
