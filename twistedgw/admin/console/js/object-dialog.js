// A dialog to create or change an object of a few fields, made from a list of them.

import { failure, openDialog } from "./dialog.js";
import { button, h, whileBusy } from "./dom.js";
import { checkbox, field, select, showError, textInput } from "./form.js";

/**
 * Opens the dialog.
 * @param {object} options
 * @param {string} options.title
 * @param {string} [options.lead]
 * @param {string} options.action what the button says.
 * @param {Array<object>} options.fields each with `key`, `label`, `kind` (text, list, select, area, check), `value`,
 *   `hint`, `names` (of the API's fields), `options` of a select, `optional`, `shown` (a function of all values).
 * @param {function} options.submit gets the values by key; may throw what is then shown.
 * @param {function} [options.then] is called when it is done.
 */
export function objectDialog({ title, lead, action, fields: specs, submit, then, wide = false }) {
  const summary = h("div");
  const made = specs.map((spec) => ({ spec, ...control(spec) }));
  const values = () => Object.fromEntries(made.map(({ spec, read }) => [spec.key, read()]));
  const adapt = () => {
    const now = values();
    for (const { spec, entry } of made) if (spec.shown) entry.node.hidden = !spec.shown(now);
  };
  const run = () => whileBusy(ok, async () => {
    try {
      await submit(values());
    } catch (error) {
      if (error.fields) showError(error, made.map(({ entry }) => entry), summary);
      else summary.replaceChildren(failure(error));
      return;
    }
    dialog.close();
    then?.();
  });
  const ok = button(action, run, { kind: "primary" });
  const form = h("form.fields", { novalidate: true, on: { submit: (event) => { event.preventDefault(); run(); }, input: adapt, change: adapt } },
    made.map(({ entry }) => entry.node), summary, h("button.unseen", { type: "submit", tabindex: "-1", "aria-hidden": "true" }, action));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  adapt();
  const dialog = openDialog({ title, lead, body: form, actions: [button("Cancel", () => dialog.close()), ok], wide });
}

function control(spec) {
  if (spec.kind === "check") {
    const box = checkbox(spec.label, { checked: spec.value, hint: spec.hint });
    const fault = h("div", { hidden: true });
    return { entry: { node: h("div.field", box.node, fault), names: spec.names ?? [], setError: (text) => { fault.hidden = !text; fault.textContent = text; fault.className = "fault"; }, focus: () => box.input.focus() }, read: () => box.input.checked };
  }
  const input = {
    select: () => select(spec.options, spec.value),
    area: () => h("textarea.input", { class: spec.mono ? "mono" : "", value: spec.value ?? "", spellcheck: "false", placeholder: spec.placeholder ?? "", rows: "4" }),
    list: () => textInput({ value: (spec.value ?? []).join(", "), mono: spec.mono, placeholder: spec.placeholder ?? "" }),
  }[spec.kind]?.() ?? textInput({ value: spec.value ?? "", mono: spec.mono, placeholder: spec.placeholder ?? "", disabled: spec.fixed });
  const entry = field({ label: spec.label, control: input, hint: spec.hint, names: spec.names ?? [], optional: spec.optional });
  const read = spec.kind === "list" ? () => input.value.split(/[,\n]/).map((each) => each.trim()).filter(Boolean) : () => (spec.kind === "area" ? input.value : input.value.trim());
  return { entry, read };
}
