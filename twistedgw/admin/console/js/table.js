// Tables that become cards in a narrow window.

import { button, fill, h, whileBusy } from "./dom.js";
import { warn } from "./toast.js";

/**
 * Makes a table.
 * @param {object} options
 * @param {string} options.caption what it is, for screen readers.
 * @param {Array<{title: string, cell: function, kind?: string, plain?: boolean}>} options.columns `kind` are classes;
 *   `plain` columns have no label in a narrow window.
 * @param {Array} options.rows
 * @param {boolean} [options.keep] whether it stays a table in a narrow window.
 */
export function table({ caption, columns, rows, keep = false }) {
  const body = h("tbody");
  const node = h("table.table", { class: keep ? "keep" : "" }, h("caption.unseen", caption),
    h("thead", h("tr", columns.map((column) => h("th", { scope: "col", class: column.kind ?? "" }, column.title || h("span.unseen", column.label ?? "Actions"))))), body);
  addRows(body, columns, rows);
  return node;
}

function addRows(body, columns, rows) {
  for (const row of rows) {
    body.append(h("tr", columns.map((column) => {
      const content = column.cell(row);
      return h("td", { class: column.kind ?? "", data: { label: column.title || "", ...(column.plain ? { plain: "" } : {}) } }, h("div.cell", content));
    })));
  }
}

/**
 * Makes a table whose rows come page by page.
 * @param {object} options as for `table`, without rows.
 * @param {function} options.load gets a page token; gives {rows, next, total}.
 * @param {function} options.none gives what is shown where there are no rows.
 * @param {function} [options.told] gets the total.
 */
export async function pagedTable({ load, none, told, ...options }) {
  const first = await load("");
  told?.(first.total ?? first.rows.length);
  if (first.rows.length === 0) return none();
  const node = table({ ...options, rows: first.rows });
  const foot = h("div.table-more");
  let next = first.next;
  const more = button("Show more", () => whileBusy(more, async () => {
    try {
      const answer = await load(next);
      addRows(node.tBodies[0], options.columns, answer.rows);
      next = answer.next;
      if (!next) foot.remove();
    } catch (error) {
      warn(error);
    }
  }), { kind: "compact" });
  fill(foot, more);
  return h("div", node, next && foot);
}

/** A button of an *Operation* column. Where `why` is given it cannot be used, and says so when it is asked. */
export function op(text, run, { danger = false, why = "", label } = {}) {
  return h("button.op", {
    type: "button",
    class: danger ? "danger" : "",
    "aria-label": label,
    "aria-disabled": why ? "true" : null,
    title: why || null,
    on: { click: () => (why ? warn(why) : run()) },
  }, text);
}
