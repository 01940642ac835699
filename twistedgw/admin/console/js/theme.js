// Light, dark, or as the system has it.

import { button, fill, icon } from "./dom.js";

const KEY = "twistedgw.theme";
const ORDER = ["system", "light", "dark"];
const ICONS = { system: "screen", light: "sun", dark: "moon" };

function current() {
  return document.documentElement.dataset.theme ?? "system";
}

function apply(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is off: it holds until the page is loaded again.
  }
}

/** The button that goes from one to the next. */
export function themeButton() {
  const show = () => {
    const theme = current();
    fill(node, icon(ICONS[theme]));
    const label = `Colours: ${theme}. Change`;
    node.setAttribute("aria-label", label);
    node.title = label;
  };
  const node = button("", () => {
    apply(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
    show();
  }, { kind: "quiet square compact theme" });
  show();
  return node;
}
