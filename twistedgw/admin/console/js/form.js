// Fields with a label, a hint and an error; and errors of the API put beside the fields that they are about.

import { fill, h, icon, uid } from "./dom.js";
import { failure, sentence } from "./dialog.js";

/**
 * Makes a field around a control.
 * @param {object} options
 * @param {string} options.label
 * @param {HTMLElement} options.control what is typed into; with `group`, any element.
 * @param {string|Node} [options.hint]
 * @param {string[]} [options.names] names of the API's fields that errors beside it are about.
 * @param {boolean} [options.group] whether the control is many controls.
 * @param {boolean} [options.optional] whether to say so.
 */
export function field({ label, control, hint, names = [], group = false, optional = false, typed = "" }) {
  const id = uid("field");
  const hintId = `${id}-hint`;
  const faultId = `${id}-fault`;
  const fault = h("div.fault", { id: faultId, hidden: true });
  const text = [label, optional && h("span.optional", " optional"), typed && [" ", h("span.typed", typed)]];
  if (!group) control.id = id;
  const described = [hint && hintId, faultId].filter(Boolean).join(" ");
  control.setAttribute("aria-describedby", described);
  if (group) {
    control.setAttribute("role", control.getAttribute("role") ?? "group");
    control.setAttribute("aria-labelledby", `${id}-label`);
  }
  const node = h("div.field", group ? h("span.label", { id: `${id}-label` }, text) : h("label", { for: id }, text),
    control, fault, hint && h("div.hint", { id: hintId }, hint));
  const setError = (message) => {
    fault.hidden = !message;
    fill(fault, message && icon("alert"), message && h("span", message));
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  control.addEventListener("input", () => setError(""));
  return { node, control, names, setError, focus: () => (group ? control.querySelector("input, select, textarea, button") ?? control : control).focus() };
}

/** Shows an error beside its fields; what belongs to none is shown in `summary`. Gives focus to the first. */
export function showError(error, fields, summary) {
  for (const each of fields) each.setError("");
  fill(summary);
  const said = new Map();
  const left = [];
  for (const { field: name, description } of error.fields ?? []) {
    const found = fields.find((each) => each.names.some((own) => isBelow(name, own)));
    if (found) said.set(found, [...(said.get(found) ?? []), sentence(description)]);
    else left.push({ message: name ? `${name}: ${description}` : description });
  }
  for (const problem of error.problems ?? []) {
    if (problem.field) continue;
    const found = problem.option && fields.find((each) => each.names.some((own) => isOption(own, problem.option)));
    if (found) said.set(found, [...(said.get(found) ?? []), sentence(problem.hint ? `${problem.message} (${problem.hint})` : problem.message)]);
    else left.push(problem);
  }
  for (const [each, texts] of said) each.setError(texts.join(" "));
  const whole = said.size === 0 || left.length > 0 || (error.users ?? []).length > 0;
  if (whole) fill(summary, failure({ message: said.size ? "This could not be taken" : error.message, problems: said.size ? left : error.problems, users: error.users }));
  const first = fields.find((each) => said.has(each));
  if (first) first.focus();
  else summary.querySelector(".notice")?.scrollIntoView({ block: "nearest" });
}

function isBelow(name, own) {
  return name === own || name.startsWith(`${own}.`) || name.startsWith(`${own}[`);
}

function isOption(own, option) {
  const last = own.split(".").pop();
  return last === option || last === `${option}s`;
}

/** A text input. */
export function textInput({ value = "", mono = false, type = "text", ...more } = {}) {
  return h("input.input", { type, value, class: mono ? "mono" : "", spellcheck: "false", autocomplete: "off", ...more });
}

/** A choice of one; `options` are texts, or pairs of value and text. */
export function select(options, value, more = {}) {
  const list = options.map((each) => (Array.isArray(each) ? each : [each, each || "–"]));
  const node = h("select.input", more, list.map(([key, text]) => h("option", { value: key }, text)));
  node.value = value ?? list[0]?.[0] ?? "";
  return node;
}

/** A box to tick, with words and a hint. */
export function checkbox(text, { checked = false, hint, on, ...more } = {}) {
  const input = h("input", { type: "checkbox", checked, on, ...more });
  return { node: h("label.check", input, h("span", h("span", text), hint && h("span.hint", hint))), input };
}

/** A choice of a few, each with a sentence. */
export function choices(name, options, value, onChange) {
  const group = h("div.choices", { role: "radiogroup" }, options.map(([key, title, text]) =>
    h("label.choice", h("input", { type: "radio", name, value: key, checked: key === value, on: { change: () => onChange(key) } }),
      h("span", h("strong", title), h("span.hint", text)))));
  return group;
}
