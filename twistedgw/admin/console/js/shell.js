// What is around every page: navigation, the gateway's vitals, colours, sign out.

import { get } from "./api.js";
import { button, fill, h, icon } from "./dom.js";
import { ago, count } from "./format.js";
import { currentPath } from "./router.js";
import { endSession } from "./session.js";
import { themeButton } from "./theme.js";

const SECTIONS = [
  ["Plugin", [["/plugins", "System Plugin", "plugin"]]],
  ["Traffic", [["/services", "Services", "service"], ["/backends", "Backends", "backend"], ["/routes", "Routes", "route"]]],
  ["Tools", [["/try", "Try it", "send"], ["/explain", "Explain", "explain"]]],
  ["Gateway", [["/status", "Status", "pulse"], ["/audit", "Audit trail", "history"]]],
];
const EVERY = 10_000;

/** Puts up the shell in `app`; gives where pages go, and a function that is told each page's path. */
export function makeShell(app) {
  const links = [];
  const nav = h("nav.nav", { "aria-label": "Console" }, SECTIONS.map(([title, entries]) =>
    h("section", h("h2", title), h("ul", entries.map(([path, text, name]) => {
      const link = h("a", { href: `#${path}` }, icon(name), text);
      links.push([path, link]);
      return h("li", link);
    })))));
  const vitals = h("a.vitals", { href: "#/status" });
  const foot = h("div.side-foot", vitals, h("div.side-tools", themeButton(), button("Sign out", leave, { icon: "leave", kind: "quiet compact" })));
  const side = h("header.side", { id: "side" }, brand(), nav, foot);
  const shade = h("div.side-shade", { hidden: true });
  const menu = button("", () => open(!side.hasAttribute("data-open")), { icon: "menu", kind: "quiet square", label: "Navigation", "aria-expanded": "false", "aria-controls": "side" });
  const open = (yes) => {
    side.toggleAttribute("data-open", yes);
    shade.hidden = !yes;
    menu.setAttribute("aria-expanded", String(yes));
    if (yes) links[0][1].focus();
  };
  const close = () => {
    if (side.hasAttribute("data-open")) open(false);
  };
  shade.addEventListener("click", close);
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !side.hasAttribute("data-open")) return;
    close();
    menu.focus();
  });
  const main = h("main.main", { id: "main", tabindex: "-1" });
  fill(app, h("div.shell", h("div.topbar", brand(), menu), side, main), shade);
  watchVitals(vitals);
  const changed = (path) => {
    close();
    for (const [own, link] of links) {
      if (path === own || path.startsWith(`${own}/`)) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  return { main, changed };
}

function brand() {
  return h("a.brand", { href: "#/plugins" }, h("img", { src: "favicon.svg", alt: "", width: "28", height: "28" }), "twistedgw");
}

function leave() {
  endSession();
  location.reload();
}

function watchVitals(node) {
  const look = async () => {
    if (document.hidden) return;
    try {
      const status = await get("/status");
      const kind = status.state === "serving" ? "good" : "warn";
      fill(node, h("span.dot", { class: kind }), h("strong", status.state === "serving" ? "Serving" : "Draining"),
        h("span", `generation ${status.generation}, ${count(status.routeCount, "route")}`));
      node.title = `since ${ago(status.since)}`;
    } catch {
      fill(node, h("span.dot.bad"), h("strong", "Not reachable"), h("span", "trying again"));
    }
  };
  look();
  setInterval(look, EVERY);
  document.addEventListener("gateway-changed", look);
}

/** Tells what shows the gateway's state that it has changed. */
export function changed() {
  document.dispatchEvent(new Event("gateway-changed"));
}

/** Keys: `/` goes to the page's search, `c` to its Create. */
export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const aim = { "/": "[data-key='search']", c: "[data-key='create']" }[event.key];
    const node = aim && document.querySelector(`#main ${aim}`);
    if (!node) return;
    event.preventDefault();
    if (event.key === "/") node.focus();
    else node.click();
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  return currentPath();
}
