// The Bind API dialog: service, environment, APIs with what is bound there already. OK makes it effective at once.

import { get, listAll, post, segments } from "./api.js";
import { openDialog } from "./dialog.js";
import { button, fill, h, whileBusy } from "./dom.js";
import { checkbox, field, select, showError } from "./form.js";
import { count, short } from "./format.js";
import { empty, notice, verb } from "./page.js";
import { changed } from "./shell.js";
import { say, warn } from "./toast.js";

const ALL = "*";
const MANY = 8;

/** Opens the dialog for a plugin; `then` is called when something was changed. `at` chooses service and environment. */
export async function bindDialog(plugin, then, at = {}) {
  let services;
  let rows;
  try {
    [services, rows] = await Promise.all([listAll("/services", "services"), get(`/${segments(plugin.name)}/bindableApis`, { page_size: 200 })]);
  } catch (error) {
    warn(error);
    return;
  }
  new BindDialog(plugin, services, then, at.service ? at : likely(rows.apis ?? []));
}

/** Gives the first place where there is something to bind it to. */
function likely(rows) {
  const free = rows.filter((row) => !row.obstacle && !row.otherPlugin);
  return free.find((row) => !row.bound && row.published) ?? free[0] ?? {};
}

class BindDialog {
  constructor(plugin, services, then, at) {
    this.plugin = plugin;
    this.name = short(plugin.name);
    this.then = then;
    this.rows = [];
    this.wanted = new Set();
    this.summary = h("div");
    this.list = h("div");
    if (!services.length) {
      openDialog({ title: `Bind API: ${this.name}`, body: empty("service", "There is no service yet", "Create a service with an API first.", h("a.button", { href: "#/services" }, "Go to the services")) });
      return;
    }
    const names = services.map((each) => short(each.name));
    this.services = services;
    this.service = select(names, names.includes(at.service) ? at.service : names[0], { on: { change: () => this.environments() } });
    this.environment = select([["", ""]], "", { on: { change: () => this.load() } });
    this.fields = [
      field({ label: "Service", control: this.service, names: ["service"] }),
      field({ label: "Environment", control: this.environment, names: ["environment"] }),
      field({ label: "APIs", control: this.list, group: true, names: ["apis"] }),
    ];
    this.ok = button("OK", () => whileBusy(this.ok, () => this.apply()), { kind: "primary" });
    this.dialog = openDialog({
      title: `Bind API: ${this.name}`,
      lead: "It takes effect at once.",
      body: h("div.fields", h("div.fields.two", this.fields[0].node, this.fields[1].node), this.fields[2].node, this.summary),
      actions: [button("Cancel", () => this.dialog.close()), this.ok],
      wide: true,
    });
    this.environments(at.environment);
  }

  environments(wanted = "") {
    const service = this.services.find((each) => short(each.name) === this.service.value);
    const choices = (service.environments ?? []).map((each) => [each.environment, each.published ? each.environment : `${each.environment} (offline)`]);
    fill(this.environment, choices.map(([value, text]) => h("option", { value }, text)));
    this.environment.value = choices.some(([value]) => value === wanted) ? wanted : choices[0][0];
    return this.load();
  }

  async load() {
    fill(this.summary);
    const key = `${this.service.value}/${this.environment.value}`;
    this.key = key;
    this.list.setAttribute("aria-busy", "true");
    try {
      const rows = await listAll(`/${segments(this.plugin.name)}/bindableApis`, "apis", { service: this.service.value, environment: this.environment.value });
      if (this.key !== key) return;
      this.rows = rows;
      this.before = new Set(rows.filter((row) => row.bound).map((row) => row.api));
      this.wanted = new Set(this.before);
      this.toCome = false;
      this.draw();
    } catch (error) {
      showError(error, this.fields, this.summary);
    } finally {
      this.list.removeAttribute("aria-busy");
    }
  }

  draw() {
    if (!this.rows.length) {
      fill(this.list, h("div.picks", empty("service", "This service has no APIs", "Add one to it first.", h("a.button.compact", { href: `#/services/${encodeURIComponent(this.service.value)}` }, "Open the service"))));
      this.say();
      return;
    }
    const free = this.rows.filter((row) => !row.obstacle);
    this.all = checkbox("All APIs, those to come included", { checked: this.toCome, disabled: free.length < this.rows.length, on: { change: () => this.chooseAll() } });
    const finder = this.rows.length > MANY && h("input.input", { type: "search", placeholder: "Find APIs", "aria-label": "Find APIs", on: { input: (event) => this.filter(event.target.value) } });
    this.picks = this.rows.map((row) => this.pick(row));
    const offline = !this.rows[0].published && notice("", `${this.environment.value} is offline: what is bound there takes effect when it is published.`);
    fill(this.list, h("div.stack", offline, finder, h("div.picks", h("label.pick", { class: this.all.input.disabled ? "off" : "" }, this.all.input, h("span", h("span.strong", "All APIs"), h("span.hint", "those to come included"))), this.picks)));
    this.say();
  }

  pick(row) {
    const isFixed = Boolean(row.obstacle) || (row.bound && row.readOnly) || (row.otherPlugin && row.readOnly);
    const input = h("input", { type: "checkbox", value: row.api, checked: row.bound === true, disabled: isFixed, on: { change: () => this.choose(row.api, input.checked) } });
    const badge = row.bound ? h("span.badge.good", "bound") : row.otherPlugin ? h("span.badge.warn", `${row.otherPlugin} is bound`) : null;
    const whole = row.rpc?.endsWith("/*");
    return h("label.pick", { class: isFixed ? "off" : "", data: { find: `${row.api} ${row.method ?? ""} ${row.path ?? ""} ${row.rpc ?? ""}`.toLowerCase() } }, input,
      h("span", h("span.strong.break", row.api), h("span.hint.break", row.method && [verb(row.method), " "], row.path && h("span.mono", `${row.path} `), row.rpc && (whole ? `all of ${row.rpc.slice(0, -2)}` : `→ ${row.rpc}`)),
        row.obstacle && h("span.why", row.obstacle), !row.obstacle && isFixed && h("span.hint", `${row.binding} is one of the operator’s own files, and is changed there`)), badge);
  }

  filter(text) {
    const words = text.toLowerCase().split(/\s+/);
    for (const pick of this.picks) pick.hidden = !words.every((word) => pick.dataset.find.includes(word));
  }

  choose(api, on) {
    if (on) this.wanted.add(api);
    else this.wanted.delete(api);
    if (!on) {
      this.toCome = false;
      this.all.input.checked = false;
    }
    this.say();
  }

  chooseAll() {
    this.toCome = this.all.input.checked;
    for (const pick of this.picks) {
      const input = pick.querySelector("input");
      if (input.disabled) continue;
      input.checked = this.toCome || this.before.has(input.value);
      if (input.checked) this.wanted.add(input.value);
      else this.wanted.delete(input.value);
    }
    this.say();
  }

  get plan() {
    const bind = this.toCome ? [ALL] : [...this.wanted].filter((api) => !this.before.has(api));
    const unbind = [...this.before].filter((api) => !this.wanted.has(api));
    const replaced = this.rows.filter((row) => row.otherPlugin && this.wanted.has(row.api));
    return { bind, unbind, replaced };
  }

  say() {
    const { bind, unbind, replaced } = this.plan;
    const parts = [
      bind[0] === ALL ? "Binds all APIs" : bind.length && `Binds ${count(bind.length, "API")}`,
      unbind.length && `unbinds ${count(unbind.length, "API")}`,
      replaced.length && `takes the place of ${[...new Set(replaced.map((row) => row.otherPlugin))].join(", ")}`,
    ].filter(Boolean);
    this.dialog.note(parts.join(", ") || "Nothing is changed yet");
    this.ok.disabled = parts.length === 0;
  }

  async apply() {
    const { bind, unbind, replaced } = this.plan;
    const at = { service: this.service.value, environment: this.environment.value };
    const path = `/${segments(this.plugin.name)}`;
    try {
      if (bind.length) await post(`${path}:bind`, { ...at, apis: bind, replace: replaced.length > 0 });
      if (unbind.length) await post(`${path}:unbind`, { ...at, apis: unbind });
    } catch (error) {
      showError(error, this.fields, this.summary);
      return;
    }
    this.dialog.close();
    const did = [bind.length && `${bind[0] === ALL ? "all APIs" : count(bind.length, "API")} bound`, unbind.length && `${count(unbind.length, "API")} unbound`].filter(Boolean).join(", ");
    say(`${this.name}: ${did} in ${at.service} / ${at.environment}. It is in effect.`);
    changed();
    this.then?.();
  }
}
