// The audit trail: what was changed here, by whom and when.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, count, moment } from "../format.js";
import { empty, page, search } from "../page.js";
import { remember } from "../router.js";
import { pagedTable } from "../table.js";
import { warn } from "../toast.js";

export default async function audit({ query, signal }) {
  const area = h("div.panel");
  const total = h("span.small.soft", { role: "status" });
  const show = async (filter) => fill(area, await pagedTable({
    caption: "Changes",
    load: async (token) => {
      const answer = await get("/audit", { filter, page_token: token, page_size: 100 }, signal);
      return { rows: answer.entries ?? [], next: answer.nextPageToken, total: answer.totalSize ?? 0 };
    },
    told: (number) => fill(total, number ? count(number, "entry", "entries") : ""),
    none: () => (filter ? empty("search", "No entry has these words") : empty("history", "Nothing has been changed here yet", "Each change by the console or the admin API is kept here, with who made it.")),
    columns: [
      { title: "When", kind: "tight", cell: (it) => h("time", { datetime: it.time, title: moment(it.time) }, ago(it.time)) },
      { title: "Who", cell: (it) => h("span.break", it.actor || "–") },
      { title: "What", cell: (it) => [h("span.strong", words(it.method)), h("span.sub.mono", it.resource)] },
      { title: "Result", cell: (it) => (it.result === "ok" || !it.result ? h("span.badge.good", "done") : h("span.badge.bad", it.result.toLowerCase().replaceAll("_", " "))) },
      { title: "Changes", plain: true, cell: (it) => [it.message && h("span.small.break", it.message), (it.changes ?? []).slice(0, 6).map((line) => h("div.small.mono.break", line)), (it.changes?.length ?? 0) > 6 && h("span.sub", `and ${it.changes.length - 6} more`), it.generation && h("span.sub", `generation ${it.generation}`)] },
    ],
  }));
  await show(query.q ?? "");
  const find = (filter) => {
    remember("/audit", { q: filter });
    show(filter).catch((error) => error.name === "AbortError" || warn(error));
  };
  return page({ title: "Audit trail", lead: "What was changed here, by whom, and when; the newest first." }, h("div.bar", total, h("div.push.search", search("Find entries", query.q ?? "", find))), area);
}

function words(method) {
  const text = (method ?? "").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}
