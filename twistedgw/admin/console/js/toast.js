// Short words about what was done, read out by screen readers.

import { h, icon } from "./dom.js";
import { sentence } from "./dialog.js";

const MOST = 1;

/** Says that something was done. */
export const say = (text) => show("said", text, "check", 5000);

/** Says that something failed; it stays until it is closed, or for a good while. */
export const warn = (error) => show("warned", sentence(error?.message ?? error), "alert", 12000);

function show(place, text, name, time) {
  const region = topRegion(place);
  const node = h("div.toast", { class: place === "warned" ? "fail" : "" }, icon(name), h("span", text),
    h("button", { type: "button", "aria-label": "Dismiss", on: { click: () => node.remove() } }, icon("close")));
  region.append(node);
  while (region.children.length > MOST) region.firstChild.remove();
  setTimeout(() => node.remove(), time);
}

function topRegion(place) {
  return document.getElementById(place);
}
