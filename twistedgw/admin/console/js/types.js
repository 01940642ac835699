// The types that plugins may have, with their options; they do not change while the gateway runs.

import { get } from "./api.js";
import { h } from "./dom.js";
import { field, select, textInput } from "./form.js";

let known = null;

/** Gives all types. */
export async function pluginTypes() {
  known ??= (await get("/pluginTypes")).types ?? [];
  return known;
}

/** Gives the title of a type, such as `Backend gRPC`. */
export const typeTitle = (types, name) => types.find((each) => each.name === name)?.title ?? name;

/**
 * Makes fields for a type's options.
 * @returns {{node: HTMLElement, fields: object[], values: function}} `values()` gives those that are not at their default.
 */
export function optionFields(type, values = {}, onChange = () => {}) {
  const entries = (type.options ?? []).map((option) => {
    const control = option.choices?.length
      ? select([["", option.default ? `default: ${option.default}` : "default"], ...option.choices], values[option.name] ?? "", { on: { change: onChange } })
      : textInput({ value: (values[option.name] ?? "").replaceAll("\n", ", "), placeholder: option.default ?? "", mono: true, on: { input: onChange } });
    const made = field({ label: option.name, control, hint: `${option.description ?? ""} ${option.choices?.length ? "" : sentenceOf(option.type)}`.trim(), names: [`plugin.options.${option.name}`, `options.${option.name}`, option.name] });
    made.node.querySelector("label").classList.add("mono");
    return [option.name, made];
  });
  return {
    node: h("div.fields.two", entries.map(([, made]) => made.node)),
    fields: entries.map(([, made]) => made),
    values: () => Object.fromEntries(entries.map(([name, made]) => [name, made.control.value.trim()]).filter(([, value]) => value)),
  };
}

function sentenceOf(type) {
  return type ? `${type[0].toUpperCase()}${type.slice(1)}.` : "";
}
