// Deletes a plugin: refused while it is bound, with the list of who uses it; all the same only where that is confirmed.

import { get, remove, segments } from "./api.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { count, short } from "./format.js";
import { checkbox } from "./form.js";
import { notice } from "./page.js";
import { changed } from "./shell.js";
import { say, warn } from "./toast.js";

/** Asks, deletes, and calls `then`. */
export async function deletePlugin(plugin, then) {
  const name = short(plugin.name);
  let whole;
  try {
    whole = await get(`/${segments(plugin.name)}`);
  } catch (error) {
    warn(error);
    return;
  }
  const uses = whole.boundApis ?? [];
  const force = checkbox(`Unbind it from ${uses.length === 1 ? "this API" : "these APIs"}, and delete it`, { hint: "Requests to a gRPC backend are then answered with PLUGIN_NOT_BOUND." });
  const body = uses.length
    ? [notice("warn", h("strong", `It is bound to ${count(uses.length, "API")}`), h("ul", uses.slice(0, 20).map((use) => h("li", `${use.service} / ${use.environment} / ${use.api}`)), uses.length > 20 && h("li", `and ${uses.length - 20} more`))), force.node]
    : h("p", "Its versions are deleted too. This cannot be undone.");
  const done = await confirm({
    title: `Delete ${name}?`,
    body,
    action: "Delete",
    danger: true,
    run: () => remove(`/${segments(plugin.name)}`, { etag: whole.etag, force: force.input.checked ? "true" : "" }),
  });
  if (!done) return;
  say(`${name} is deleted`);
  changed();
  then();
}
