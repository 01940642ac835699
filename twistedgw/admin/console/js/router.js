// Which page the address names, and how pages follow one another: `#/plugins/shop?tab=source`.

import { fill, h } from "./dom.js";
import { button } from "./dom.js";
import { failure } from "./dialog.js";

const routes = [];
let leaving = null;
let shown = "";

/** Names the page of a path such as `/plugins/:name`; `load` gives the module that has it. */
export function route(pattern, load) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => {
    names.push(name);
    return "([^/]+)";
  });
  routes.push({ match: new RegExp(`^${source}$`), names, load });
}

/** Makes the address of a page. */
export function href(path, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const text = search.toString();
  return `#${path}${text ? `?${text}` : ""}`;
}

/** Goes to a page. */
export function go(path, query) {
  location.hash = href(path, query);
}

/** Shows the page that is there anew. */
export function refresh() {
  return render(true);
}

/** Puts what belongs to the address into it without going anywhere. */
export function remember(path, query) {
  history.replaceState(null, "", href(path, query));
}

export function currentPath() {
  return (location.hash.slice(1) || "/plugins").split("?")[0] || "/plugins";
}

/** Begins: `main` gets the pages, `changed` is told the path of each. */
export function start(main, changed) {
  const run = () => render(false);
  target = main;
  tell = changed;
  window.addEventListener("hashchange", run);
  return run();
}

let target = null;
let tell = null;

async function render(again) {
  const path = currentPath();
  const query = Object.fromEntries(new URLSearchParams(location.hash.split("?")[1] ?? ""));
  leaving?.abort();
  const leave = new AbortController();
  leaving = leave;
  tell(path);
  const same = again || shown === path;
  const slow = setTimeout(() => !same && fill(target, waiting()), 180);
  try {
    const { page, params } = await found(path);
    const node = await page({ params, query, signal: leave.signal });
    if (leave.signal.aborted) return;
    fill(target, node);
    settle(node, same);
    shown = path;
  } catch (error) {
    if (error.name === "AbortError" || leave.signal.aborted) return;
    if (!error.code && error.status === undefined) console.error(error);
    fill(target, broken(error));
  } finally {
    clearTimeout(slow);
  }
}

async function found(path) {
  for (const { match, names, load } of routes) {
    const hit = match.exec(path);
    if (hit) {
      const params = Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(hit[index + 1])]));
      return { page: (await load()).default, params };
    }
  }
  return { page: () => h("div.page", h("h1", { tabindex: "-1" }, "There is no such page"), h("p", h("a", { href: "#/plugins" }, "Go to the plugins"))), params: {} };
}

function settle(node, same) {
  const title = node.querySelector("h1");
  document.title = title ? `${title.textContent} · twistedgw` : "twistedgw";
  if (same) return;
  window.scrollTo(0, 0);
  if (title && !document.querySelector("dialog[open]")) {
    title.setAttribute("tabindex", "-1");
    title.focus({ preventScroll: true });
  }
}

function waiting() {
  return h("div.page", h("div.waiting", { role: "status" }, h("span.spin", { "aria-hidden": "true" }), "One moment"));
}

function broken(error) {
  const gone = error.status === 404;
  return h("div.page.stack", h("h1", { tabindex: "-1" }, gone ? "This is not there any more" : "This page could not be shown"), failure(error),
    h("div.row", button("Try again", () => refresh(), { icon: "reload" }), h("a.button.quiet", { href: "#/plugins" }, "Go to the plugins")));
}
