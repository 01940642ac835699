// Makes elements. Text goes in as text nodes only, so nothing that a user wrote is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 * @param {string} tag a name, with classes behind dots: `div.row.wide`.
 * @param {object|Node|string|Array|null} [props] attributes; `on` holds listeners, `value`, `checked`, `disabled` and
 *   such are set as properties; null and false leave an attribute out. May be left out.
 * @param {...(Node|string|number|Array|null|false)} children
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(" ");
  if (isChild(props)) children.unshift(props);
  else for (const [key, value] of Object.entries(props ?? {})) set(node, key, value);
  append(node, children);
  return node;
}

function isChild(value) {
  return value instanceof Node || Array.isArray(value) || (typeof value !== "object" && value !== undefined);
}

const PROPERTIES = new Set(["value", "checked", "disabled", "required", "selected", "multiple", "open", "indeterminate", "hidden"]);

function set(node, key, value) {
  if (key === "on") for (const [event, run] of Object.entries(value ?? {})) node.addEventListener(event, run);
  else if (key === "class") node.classList.add(...value.split(" ").filter(Boolean));
  else if (key === "data") Object.assign(node.dataset, value);
  else if (PROPERTIES.has(key)) node[key] = value ?? (key === "value" ? "" : false);
  else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== "") node.append(child);
  }
}

/** Puts new children in the place of all that there are. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

const PATHS = {
  plugin: "M9 3v4M15 3v4M6 7h12v5a6 6 0 0 1-12 0zM12 18v3",
  service: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01",
  backend: "M12 3 4 7v10l8 4 8-4V7zM4 7l8 4 8-4M12 11v10",
  route: "M5 6h6a3 3 0 0 1 3 3v6a3 3 0 0 0 3 3h2M16 15l3 3-3 3M5 6a1 1 0 1 0 0 .01",
  send: "M4 12 20 4l-5 16-4-7z M11 13l4-4",
  explain: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5M9 9.5a2 2 0 1 1 2.4 2c-.4.2-.4.6-.4 1M11 14.5h.01",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  history: "M4 12a8 8 0 1 0 2.5-5.8L4 8.5M4 4v4.5h4.5M12 8v4.5l3 1.5",
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17 19 7",
  alert: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.3h.01",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5M12 8h.01",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7 1.7M18.7 5.3 17 7M7 17l-1.7 1.7",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4",
  menu: "M4 7h16M4 12h16M4 17h16",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  upload: "M12 15V4M7.5 8 12 3.5 16.5 8M4 15v4.5h16V15",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M4 16v3.5h16V16",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  reload: "M20 12a8 8 0 1 1-2.3-5.6L20 8.5M20 4v4.5h-4.5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  stop: "M7 7h10v10H7z",
};

/** Makes an icon; it is decoration, so the text beside it, or an aria-label, must say what it means. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name] ?? PATHS.info);
  svg.append(path);
  return svg;
}

/** Makes a button. `options.icon` is a name, `options.kind` classes, `options.label` what a button without text says. */
export function button(text, run, { icon: name, kind = "", label, ...more } = {}) {
  return h(
    "button.button",
    { type: "button", class: kind, "aria-label": label, title: label, on: run ? { click: run } : {}, ...more },
    name && icon(name),
    text,
  );
}

/** Shows on a button that its work is going on, and takes no second click meanwhile. */
export async function whileBusy(node, work) {
  if (node.getAttribute("aria-busy") === "true") return undefined;
  const before = node.querySelector(".icon");
  const wheel = h("span.spin", { "aria-hidden": "true" });
  node.setAttribute("aria-busy", "true");
  if (before) before.replaceWith(wheel);
  else node.prepend(wheel);
  try {
    return await work();
  } finally {
    node.removeAttribute("aria-busy");
    if (before) wheel.replaceWith(before);
    else wheel.remove();
  }
}

let serial = 0;
/** Gives an id that no other element has. */
export function uid(prefix = "u") {
  serial += 1;
  return `${prefix}-${serial}`;
}
