// The frame that pages share: crumbs, title, lead, search, states.

import { h, icon } from "./dom.js";

/** A page. `crumbs` are pairs of text and address; the last is the page itself, without address. */
export function page({ title, lead, crumbs = [], beside = [], narrow = false }, ...content) {
  return h("div.page", { class: narrow ? "page-narrow" : "" },
    h("div.page-head",
      crumbs.length > 0 && h("nav.crumbs", { "aria-label": "Breadcrumb" }, h("ol", crumbs.map(([text, to]) => h("li", to ? h("a", { href: to }, text) : h("span", { "aria-current": "page" }, text))))),
      h("div.page-title", h("h1", { tabindex: "-1" }, title), beside),
      lead && h("p.lead", lead)),
    content);
}

/** A search box that `/` goes to; `run` gets the text a moment after it was typed. */
export function search(label, value, run) {
  const input = h("input.input", { type: "search", value, placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false", data: { key: "search" } });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => run(input.value.trim()), 160);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      clearTimeout(timer);
      run(input.value.trim());
    }
  });
  return h("div.search", icon("search"), input, h("kbd", { "aria-hidden": "true" }, "/"));
}

/** What is shown where there is nothing: what it would be, and how to make one. */
export function empty(name, title, text, ...actions) {
  return h("div.empty", icon(name), h("strong", title), text && h("p", text), actions.length > 0 && h("div.row", actions));
}

/** A word about something. */
export function notice(kind, ...content) {
  const name = { bad: "alert", warn: "alert", good: "check" }[kind] ?? "info";
  return h("div.notice", { class: kind }, icon(name), h("div", content));
}

/** A coloured dot and a word. */
export const state = (kind, text) => h("span.state", h("span.dot", { class: kind, "aria-hidden": "true" }), text);

/** An HTTP method. */
export const verb = (method) => h("span.verb", { class: (method || "any").toLowerCase() }, method === "*" ? "ANY" : method || "ANY");

/** A path template, its variables set off. */
export function path(text) {
  return h("span.path", text.split(/(\{[^}]*\})/).map((part) => (part.startsWith("{") ? h("b", part) : part.split(/(?=\/)/).flatMap((each) => [h("wbr"), each]))));
}

/** A dotted name that may break behind its dots. */
export const dotted = (name) => h("span", name.split(/(?<=[./])/).flatMap((part, index) => (index ? [h("wbr"), part] : [part])));

/** Where an object of the operator's own files stands; empty for others. */
export function originBadge(origin) {
  if (!origin?.readOnly) return null;
  const at = origin.line ? `${origin.file}:${origin.line}` : origin.file;
  const parts = at.split("/");
  const text = at.length > 40 && parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : at;
  return h("span.badge", { title: `Declared in ${at}, and changed there` }, icon("lock"), text);
}

/** Whether an object can be changed here. */
export const isOurs = (object) => !object.origin?.readOnly;

/** Why an object cannot be changed here. */
export function whyNot(object) {
  const { file, line } = object.origin ?? {};
  return `It is declared in ${file}${line ? `:${line}` : ""}, and is changed there.`;
}
