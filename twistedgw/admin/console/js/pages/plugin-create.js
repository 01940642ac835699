// Creates a plugin: type, name, description, options. What the gateway thinks of it is shown while it is written.

import { listAll, post, send } from "../api.js";
import { button, fill, h, whileBusy } from "../dom.js";
import { choices, field, showError, textInput } from "../form.js";
import { page } from "../page.js";
import { outcomePanel } from "../outcome.js";
import { go } from "../router.js";
import { changed } from "../shell.js";
import { sourceInput } from "../source.js";
import { say } from "../toast.js";
import { optionFields, pluginTypes } from "../types.js";

const PAUSE = 350;

export default async function create({ signal }) {
  const [types, backends] = await Promise.all([pluginTypes(), listAll("/backends", "backends", {}, signal)]);
  return new CreatePage(types, backends, signal).node;
}

class CreatePage {
  constructor(types, backends, signal) {
    this.types = types;
    this.backends = backends;
    this.signal = signal;
    this.type = types[0];
    this.named = false;
    this.name = textInput({ mono: true, maxlength: "128", placeholder: "shop", on: { input: () => { this.named = this.name.value !== ""; } } });
    this.nameField = field({ label: "Name", control: this.name, hint: "Letters, digits, _ . and -", names: ["plugin_id", "plugin.name"] });
    this.typeField = field({ label: "Type", group: true, names: ["plugin.type"], control: choices("type", types.map((type) => [type.name, type.title, type.description]), this.type.name, (name) => this.choose(name)) });
    this.summary = h("div", { role: "alert" });
    this.progress = h("div", { role: "status" });
    this.middle = h("div.stack-large");
    this.submit = h("button.button.primary", { type: "submit" }, "Create");
    this.form = h("form.stack-large", { novalidate: true, on: { submit: (event) => this.onSubmit(event), keydown: (event) => this.onKey(event) } },
      this.typeField.node, this.nameField.node, this.middle, this.summary, this.progress,
      h("div.row", this.submit, h("a.button.quiet", { href: "#/plugins" }, "Cancel")));
    this.choose(this.type.name);
    this.node = page({ title: "Create a plugin", crumbs: [["Plugin"], ["System Plugin", "#/plugins"], ["Create"]], narrow: true }, this.form);
  }

  choose(name) {
    this.type = this.types.find((type) => type.name === name);
    const required = !this.type.hasSource;
    this.options = optionFields(this.type, {}, () => {});
    const options = h("details", { open: required }, h("summary.strong", `Options (${this.type.options?.length ?? 0})`), h("div.stack", h("p.hint", "Each has a default that is right for most."), this.options.node));
    this.source = null;
    this.outcome = outcomePanel((problem) => this.source?.reveal(problem));
    if (this.type.hasSource) {
      this.source = sourceInput({ backends: this.backends, suggest: () => this.name.value.trim(), onChange: () => this.later() });
      this.source.onFiles = (path) => this.suggest(path);
      fill(this.middle, this.source.node, this.outcome.node, options);
    } else {
      fill(this.middle, options);
    }
  }

  suggest(path) {
    if (this.named) return;
    this.name.value = path.split("/").pop().replace(/\.[^.]+$/, "").replace(/[^\w.-]+/g, "-");
    this.nameField.setError("");
  }

  onKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit(this.submit);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE);
  }

  /** Asks what the gateway would say, under a name that is free, so that only the description is judged. */
  async check() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (!this.source?.given) {
      this.outcome.clear();
      return;
    }
    this.outcome.busy();
    try {
      const made = await this.send(`draft-${crypto.randomUUID()}`, true, {});
      if (turn !== this.turn || this.signal.aborted) return;
      this.source.mark([]);
      this.outcome.schema(made.schema ?? {}, null);
    } catch (error) {
      if (turn === this.turn) this.judge(error);
    }
  }

  judge(error) {
    const given = (error.problems ?? []).map((each) => (each.section?.startsWith("plugin:draft-") ? { ...each, section: "", option: "" } : each));
    const located = given.length ? given : (error.fields ?? []).map(({ description }) => ({ message: description }));
    this.outcome.problems(this.source.mark(located), error.message);
  }

  send(name, validateOnly, options, onProgress) {
    const query = { plugin_id: name, validate_only: validateOnly ? "true" : "" };
    const payload = this.source?.payload ?? {};
    if (payload.form) {
      const given = Object.fromEntries(Object.entries(options).map(([key, value]) => [`options[${key}]`, value]));
      return send("POST", "/plugins:import", payload.form, { query: { ...query, import_root: payload.importRoot, ...given }, onProgress });
    }
    const body = { type: this.type.name, options, ...(payload.source ? { source: payload.source } : {}) };
    return onProgress ? send("POST", "/plugins", body, { query, onProgress }) : post("/plugins", body, query);
  }

  onSubmit(event) {
    event.preventDefault();
    clearTimeout(this.timer);
    this.turn = (this.turn ?? 0) + 1;
    whileBusy(this.submit, () => this.create());
  }

  async create() {
    const fields = [this.nameField, this.typeField, ...this.options.fields, ...(this.source ? [this.source.rootField, this.source.backendField] : [])];
    const name = this.name.value.trim();
    fill(this.summary);
    try {
      await this.send(name, false, this.options.values(), (part) => fill(this.progress, progress(part)));
    } catch (error) {
      if (this.source && error.problems?.some((problem) => problem.line)) this.judge(error);
      const about = new Set((error.problems ?? []).filter((problem) => problem.line).map((problem) => problem.field));
      showError({ ...error, message: error.message, fields: error.fields.filter(({ field: at }) => !about.has(at)), problems: error.problems.filter((problem) => !problem.line) }, fields, this.summary);
      if (about.size) this.pointToErrors(error);
      return;
    } finally {
      fill(this.progress);
    }
    say(`${name} is created. Bind it to the APIs that shall use it.`);
    changed();
    go("/plugins");
  }

  pointToErrors(error) {
    fill(this.summary);
    this.outcome.node.scrollIntoView({ block: "center" });
    const first = this.source.mark(error.problems)[0];
    if (first) this.source.reveal(first);
  }
}

/** How far an upload is. */
export function progress(part) {
  const done = part >= 1;
  return h("div.field", h("span.small.soft", done ? "Sent. The gateway compiles it." : `Sending, ${Math.round(part * 100)} %`), h("progress", { max: "1", ...(done ? {} : { value: part }), "aria-label": "Upload" }));
}
