// Plugin > System Plugin: the list.

import { get } from "../api.js";
import { bindDialog } from "../bind.js";
import { fill, h, icon } from "../dom.js";
import { ago, count, moment, short } from "../format.js";
import { dotted, empty, isOurs, originBadge, page, search, whyNot } from "../page.js";
import { deletePlugin } from "../plugin-delete.js";
import { href, refresh, remember } from "../router.js";
import { op, pagedTable } from "../table.js";
import { pluginTypes, typeTitle } from "../types.js";
import { warn } from "../toast.js";

export const create = () => h("a.button.primary", { href: "#/plugins/-/new", data: { key: "create" } }, icon("plus"), "Create");

export default async function plugins({ query, signal }) {
  const types = await pluginTypes();
  const area = h("div.panel");
  const total = h("span.small.soft", { role: "status" });
  const show = async (filter) => fill(area, await list(types, filter, total, signal));
  await show(query.q ?? "");
  const find = (filter) => {
    remember("/plugins", { q: filter });
    show(filter).catch((error) => error.name === "AbortError" || warn(error));
  };
  return page({
    title: "System Plugin",
    lead: "A plugin holds what the gateway needs to convert requests, such as the .proto of a gRPC backend. It takes effect where it is bound.",
    crumbs: [["Plugin"], ["System Plugin"]],
  }, h("div.bar", create(), total, h("div.push.search", search("Find plugins", query.q ?? "", find))), area);
}

function list(types, filter, total, signal) {
  return pagedTable({
    caption: "Plugins",
    load: async (token) => {
      const answer = await get("/plugins", { filter, page_token: token, page_size: 100 }, signal);
      return { rows: answer.plugins ?? [], next: answer.nextPageToken, total: answer.totalSize ?? 0 };
    },
    told: (number) => fill(total, number ? count(number, "plugin") : ""),
    none: () => (filter
      ? empty("search", "No plugin has these words", "Names, types, services and options are searched.")
      : empty("plugin", "There is no plugin yet", "Create one from a .proto file, then bind it to the APIs whose backend speaks gRPC.", create())),
    columns: [
      { title: "Name", plain: true, cell: (plugin) => [h("a.name", { href: pluginHref(plugin) }, short(plugin.name)), h("span.sub", originBadge(plugin.origin))] },
      { title: "Type", kind: "tight", cell: (plugin) => typeTitle(types, plugin.type) },
      { title: "Services in it", cell: services },
      { title: "Bound APIs", cell: (plugin) => h("a", { href: href(`/plugins/${encodeURIComponent(short(plugin.name))}`, { tab: "used" }), class: "num", "aria-label": `${count(plugin.boundApiCount, "API")} bound` }, String(plugin.boundApiCount ?? 0)) },
      { title: "Modified", kind: "tight", cell: (plugin) => h("span", { title: moment(plugin.updateTime) }, ago(plugin.updateTime)) },
      { title: "Operation", plain: true, cell: operations },
    ],
  });
}

const pluginHref = (plugin) => href(`/plugins/${encodeURIComponent(short(plugin.name))}`);

function services(plugin) {
  const names = plugin.services ?? [];
  if (!names.length) return h("span.soft", "–");
  return [dotted(names[0]), h("span.sub", names.length > 1 ? `and ${names.length - 1} more · ` : "", count(plugin.methodCount, "method"))];
}

function operations(plugin) {
  const name = short(plugin.name);
  const why = isOurs(plugin) ? "" : whyNot(plugin);
  const base = `/plugins/${encodeURIComponent(name)}`;
  return h("div.ops",
    op("Bind API", () => bindDialog(plugin, refresh), { label: `Bind API: ${name}` }),
    why ? op("Edit", null, { why, label: `Edit ${name}` }) : h("a.op", { href: `#${base}/edit`, "aria-label": `Edit ${name}` }, "Edit"),
    h("a.op", { href: `#${base}/versions`, "aria-label": `Versions of ${name}` }, "Versions"),
    op("Delete", () => deletePlugin(plugin, refresh), { danger: true, why, label: `Delete ${name}` }));
}
