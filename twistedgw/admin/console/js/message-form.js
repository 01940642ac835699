// A form for a message, made from its descriptor; what is filled in is kept as canonical ProtoJSON.

import { button, fill, h, icon } from "./dom.js";
import { field, select, textInput } from "./form.js";
import { leaf } from "./format.js";

const NUMBERS = new Set(["int32", "uint32", "sint32", "fixed32", "sfixed32", "float", "double"]);
const LONG = new Set(["int64", "uint64", "sint64", "fixed64", "sfixed64"]);
const TEXTS = { "google.protobuf.Timestamp": "2026-01-31T12:00:00Z", "google.protobuf.Duration": "1.5s", "google.protobuf.FieldMask": "title,author" };
const ANYTHING = new Set(["google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Any"]);
const WRAPPED = { BoolValue: "bool", StringValue: "string", BytesValue: "bytes", DoubleValue: "double", FloatValue: "float", Int32Value: "int32", UInt32Value: "uint32", Int64Value: "int64", UInt64Value: "uint64" };

/** Whether the JSON of a message type is text, a number or anything, rather than its fields. */
export const isLeafType = (name) => name in TEXTS || ANYTHING.has(name) || wrapped(name) !== "";

/** Whether the JSON of a message type is any JSON. */
export const isAnything = (name) => ANYTHING.has(name);

const wrapped = (name) => (name.startsWith("google.protobuf.") ? WRAPPED[leaf(name)] ?? "" : "");

/** Gives a schema's messages and enums by their full names. */
export function typesOf(schema) {
  return new Map([...(schema.messages ?? []).map((each) => [each.fullName, each]), ...(schema.enums ?? []).map((each) => [each.fullName, each])]);
}

/**
 * Makes the form.
 * @param {Map} types by full name.
 * @param {string} name of the message.
 * @param {object} value what is filled in, changed in place.
 * @param {function} onChange
 * @param {object} [marks] by the dotted proto path of a field, a word that is put beside its label.
 */
export function messageForm(types, name, value, onChange, marks = {}, prefix = "") {
  const message = types.get(name);
  const fields = message?.fields ?? [];
  if (!fields.length) return h("p.soft.small", "This message has no fields.");
  const rest = [];
  const seen = new Set();
  for (const each of fields) {
    if (!each.oneof) rest.push(fieldNode(types, each, value, onChange, marks, prefix));
    else if (!seen.has(each.oneof)) {
      seen.add(each.oneof);
      rest.push(oneofNode(types, fields.filter((one) => one.oneof === each.oneof), value, onChange, marks, prefix));
    }
  }
  return h("div.fields", rest);
}

function slotOf(value, key, onChange) {
  return {
    get: () => value[key],
    set: (next) => {
      if (next === undefined) delete value[key];
      else value[key] = next;
      onChange();
    },
  };
}

function oneofNode(types, fields, value, onChange, marks, prefix) {
  const area = h("div");
  const present = fields.find((each) => value[each.jsonName] !== undefined);
  const choice = select([["", "none"], ...fields.map((each) => each.name)], present?.name ?? "", { on: { change: () => show() } });
  const show = () => {
    for (const each of fields) if (each.name !== choice.value) delete value[each.jsonName];
    const chosen = fields.find((each) => each.name === choice.value);
    fill(area, chosen && h("div.group", fieldNode(types, chosen, value, onChange, marks, prefix)));
    onChange();
  };
  const entry = field({ label: fields[0].oneof, typed: "one of", control: choice });
  if (present) fill(area, h("div.group", fieldNode(types, present, value, onChange, marks, prefix)));
  return h("div.fields", entry.node, area);
}

function fieldNode(types, each, value, onChange, marks, prefix) {
  const slot = slotOf(value, each.jsonName, onChange);
  const path = prefix + each.name;
  const mark = marks[path];
  const typed = typeText(each) + (mark ? `, ${mark}` : "") + (each.required ? ", required" : "");
  const more = { label: each.name, typed, hint: each.comment };
  if (each.kind === "map") return mapNode(types, each, slot, more);
  if (each.repeated) return listNode(types, each, slot, more);
  return oneNode(types, each, slot, more, marks, `${path}.`);
}

function typeText(each) {
  if (each.kind === "map") return `map of ${each.typeName ? leaf(each.typeName) : each.valueKind}`;
  const type = each.typeName ? leaf(each.typeName) : each.kind;
  return each.repeated ? `list of ${type}` : type;
}

function oneNode(types, each, slot, more, marks = {}, prefix = "") {
  if (each.kind === "message" || each.kind === "group") {
    if (!isLeafType(each.typeName)) return nestedNode(types, each.typeName, slot, more, marks, prefix);
  }
  return field({ ...more, control: leafControl(types, each, slot) }).node;
}

function leafControl(types, each, slot) {
  const now = slot.get();
  if (each.kind === "enum") {
    const names = (types.get(each.typeName)?.values ?? []).map((value) => value.name);
    const node = select([["", "not set"], ...names], now === undefined ? "" : String(now), { on: { change: () => slot.set(node.value || undefined) } });
    return node;
  }
  const kind = each.kind === "message" ? wrapped(each.typeName) || each.typeName : each.kind;
  if (kind === "bool") {
    const node = select([["", "not set"], "true", "false"], now === undefined ? "" : String(now), { on: { change: () => slot.set(node.value === "" ? undefined : node.value === "true") } });
    return node;
  }
  if (ANYTHING.has(kind)) return anyControl(slot);
  const number = NUMBERS.has(kind);
  const node = textInput({ value: now === undefined ? "" : String(now), mono: true, placeholder: TEXTS[kind] ?? (kind === "bytes" ? "base64" : ""), inputmode: number || LONG.has(kind) ? "decimal" : null, on: { input: () => slot.set(read(node.value, number)) } });
  return node;
}

function read(text, number) {
  if (text === "") return undefined;
  return number && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function anyControl(slot) {
  const now = slot.get();
  const node = h("textarea.input.mono", { rows: "3", spellcheck: "false", value: now === undefined ? "" : JSON.stringify(now, null, 2), placeholder: "JSON", on: { input: () => {
    try {
      slot.set(node.value.trim() ? JSON.parse(node.value) : undefined);
      node.removeAttribute("aria-invalid");
    } catch {
      node.setAttribute("aria-invalid", "true");
    }
  } } });
  return node;
}

function nestedNode(types, name, slot, more, marks, prefix) {
  const area = h("div");
  const show = () => {
    const set = slot.get() !== undefined;
    const toggle = button(set ? "Clear" : "Set", () => {
      slot.set(set ? undefined : {});
      show();
    }, { kind: "compact quiet", label: `${set ? "Clear" : "Set"} ${more.label}` });
    const inner = set ? slot.get() : null;
    fill(area, h("div.row", h("span.label.strong.small", more.label, " ", h("span.typed", more.typed)), toggle), more.hint && h("div.hint", more.hint),
      inner !== null && h("div.group", messageForm(types, name, inner, () => slot.set(inner), marks, prefix)));
  };
  show();
  return h("fieldset", h("legend.unseen", more.label), area);
}

function listNode(types, each, slot, more) {
  const area = h("div.fields");
  const one = { ...each, repeated: false };
  const draw = () => {
    const items = slot.get() ?? [];
    const touch = () => slot.set(items.length ? items : undefined);
    fill(area, items.map((_, index) => {
      const at = { get: () => items[index], set: (value) => { items[index] = value ?? ""; touch(); } };
      const node = isPlain(each) ? named(leafControl(types, one, at), `${more.label} ${index + 1}`) : h("div.group", oneNode(types, one, at, { label: `${more.label} ${index + 1}`, typed: typeText(one) }));
      return h("div.item", node, button("", () => {
        items.splice(index, 1);
        touch();
        draw();
      }, { icon: "close", kind: "quiet compact square", label: `Remove ${more.label} ${index + 1}` }));
    }), h("div", button(`Add to ${more.label}`, () => {
      items.push(isPlain(each) ? "" : {});
      slot.set(items);
      draw();
      area.querySelector(".item:last-of-type :is(input, select, textarea)")?.focus();
    }, { icon: "plus", kind: "compact quiet" })));
  };
  draw();
  return field({ ...more, control: area, group: true }).node;
}

function isPlain(each) {
  return each.kind !== "message" && each.kind !== "group" ? true : isLeafType(each.typeName);
}

function mapNode(types, each, slot, more) {
  const area = h("div.fields");
  const value = { kind: each.valueKind, typeName: each.typeName };
  const pairs = Object.entries(slot.get() ?? {});
  const touch = () => {
    const given = pairs.filter(([key]) => key !== "");
    slot.set(given.length ? Object.fromEntries(given) : undefined);
  };
  const draw = () => fill(area, pairs.map((pair, index) => {
    const key = textInput({ value: pair[0], mono: true, placeholder: "key", "aria-label": `${more.label}, key ${index + 1}`, on: { input: () => { pair[0] = key.value; touch(); } } });
    const at = { get: () => pair[1], set: (next) => { pair[1] = next ?? ""; touch(); } };
    const node = isPlain(value) ? named(leafControl(types, value, at), `${more.label}, value ${index + 1}`) : oneNode(types, value, at, { label: "value", typed: typeText(value) });
    return h("div.pair", key, node, button("", () => {
      pairs.splice(index, 1);
      touch();
      draw();
    }, { icon: "close", kind: "quiet compact square", label: `Remove ${more.label} ${index + 1}` }));
  }), h("div", button(`Add to ${more.label}`, () => {
    pairs.push(["", isPlain(value) ? "" : {}]);
    draw();
  }, { icon: "plus", kind: "compact quiet" })));
  draw();
  return field({ ...more, control: area, group: true }).node;
}

function named(node, label) {
  node.setAttribute("aria-label", label);
  return node;
}

/** A word that something is missing. */
export const missing = (text) => h("div.fault", icon("alert"), h("span", text));
