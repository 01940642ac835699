// The request of *Try it*: as a form, as JSON, or, where nothing is known about it, as text.

import { button, fill, h } from "./dom.js";
import { compose, variables } from "./compose.js";
import { field, select, textInput } from "./form.js";
import { messageForm, typesOf } from "./message-form.js";

const ACCEPTS = [["application/x-ndjson", "a line each (NDJSON)"], ["text/event-stream", "server-sent events"], ["application/json", "one JSON array"]];

/** The part of the page where a request is written. */
export class RequestForm {
  constructor(route, method, schema, onChange) {
    this.route = route;
    this.rpc = method;
    this.types = typesOf(schema);
    this.changed = onChange;
    this.headers = [];
    this.mode = "form";
    this.fault = "";
    this.isRaw = method === null;
    this.message = this.isRaw ? {} : template(route, method, this.types);
    this.area = h("div.stack");
    this.headerArea = h("div.fields");
    const any = route.method === "*";
    this.verb = select(["GET", "POST", "PUT", "PATCH", "DELETE"], any ? "GET" : route.method, { on: { change: onChange } });
    this.accept = select(ACCEPTS, ACCEPTS[0][0], { on: { change: onChange } });
    this.path = textInput({ value: route.path, mono: true, on: { input: onChange } });
    this.text = h("textarea.input.mono", { rows: "8", spellcheck: "false", on: { input: onChange } });
    this.node = h("div.stack", h("div.section-head", h("h2", "Request"), !this.isRaw && this.switcher()),
      any && field({ label: "Method", control: this.verb }).node, this.area,
      route.serverStreaming && field({ label: "Answer as", control: this.accept }).node,
      h("details", h("summary.small.strong", "Headers"), this.headerArea));
    this.draw();
    this.drawHeaders();
  }

  switcher() {
    const button_ = (mode, text) => h("button", { type: "button", "aria-pressed": String(this.mode === mode), on: { click: () => this.switchTo(mode) } }, text);
    this.switch = h("div.segments", { role: "group", "aria-label": "View" }, button_("form", "Form"), button_("json", "JSON"));
    const fillIn = button("Fill in an example", () => {
      this.message = structuredClone(this.rpc.example ?? {});
      this.fault = "";
      this.draw();
      this.changed();
    }, { kind: "compact quiet" });
    return h("div.row", fillIn, this.switch);
  }

  switchTo(mode) {
    if (this.fault) {
      this.json.focus();
      return;
    }
    this.mode = mode;
    [...this.switch.children].forEach((each) => each.setAttribute("aria-pressed", String((each.textContent === "Form") === (mode === "form"))));
    this.draw();
  }

  draw() {
    if (this.isRaw) {
      fill(this.area, field({ label: "Path and query", control: this.path }).node, field({ label: "Body", control: this.text, optional: true }).node);
      return;
    }
    if (this.mode === "json" || this.rpc.clientStreaming) {
      fill(this.area, this.jsonView());
      return;
    }
    const marks = Object.fromEntries(variables(this.route.path).map((name) => [name, "path"]));
    fill(this.area, messageForm(this.types, this.rpc.requestType, this.message, this.changed, marks));
  }

  jsonView() {
    const streams = this.rpc.clientStreaming;
    this.json = h("textarea.input.mono", { rows: "14", spellcheck: "false", value: streams && this.lines !== undefined ? this.lines : JSON.stringify(this.message, null, streams ? 0 : 2) });
    const entry = field({ label: streams ? "Messages, one JSON value a line" : "Message as JSON", control: this.json, hint: streams ? "Path variables are taken from the first." : "Path variables and query parameters are taken from it too." });
    this.json.addEventListener("input", () => {
      this.lines = this.json.value;
      try {
        this.message = JSON.parse((streams ? this.json.value.trim().split("\n")[0] : this.json.value) || "{}");
        this.fault = "";
      } catch (error) {
        this.fault = `This is not JSON: ${error.message}`;
      }
      entry.setError(this.fault);
      this.changed();
    });
    this.entry = entry;
    return entry.node;
  }

  drawHeaders() {
    fill(this.headerArea, this.headers.map((header, index) => {
      const name = textInput({ value: header.name, mono: true, placeholder: "name", "aria-label": `Header ${index + 1}, name`, on: { input: () => { header.name = name.value.trim(); this.changed(); } } });
      const value = textInput({ value: header.value, mono: true, placeholder: "value", "aria-label": `Header ${index + 1}, value`, on: { input: () => { header.value = value.value; this.changed(); } } });
      return h("div.pair", name, value, button("", () => {
        this.headers.splice(index, 1);
        this.drawHeaders();
      }, { icon: "close", kind: "quiet compact square", label: `Remove header ${index + 1}` }));
    }), h("div", button("Add a header", () => {
      this.headers.push({ name: "", value: "" });
      this.drawHeaders();
      this.headerArea.querySelector(".pair:last-of-type input")?.focus();
    }, { icon: "plus", kind: "compact quiet" })));
  }

  /** What would be sent now; `missing` and `fault` say why it cannot be. */
  request() {
    const method = this.route.method === "*" ? this.verb.value : this.route.method;
    const made = this.isRaw
      ? { path: this.path.value.trim(), body: this.text.value, missing: variables(this.path.value), lost: [] }
      : compose({ path: this.route.path, body: this.route.body ?? "" }, this.message, this.rpc.requestType, this.types);
    if (!this.isRaw && this.rpc.clientStreaming) made.body = this.lines ?? made.body;
    const headers = this.headers.filter((each) => each.name);
    const has = (name) => headers.some((each) => each.name.toLowerCase() === name);
    if (made.body && !has("content-type")) headers.push({ name: "Content-Type", value: this.rpc?.clientStreaming ? "application/x-ndjson" : "application/json" });
    if (this.route.serverStreaming && !has("accept")) headers.push({ name: "Accept", value: this.accept.value });
    return { method, headers, ...made, fault: this.fault };
  }

  /** Shows what is missing at its place. */
  complain({ missing, fault }) {
    if (fault || this.mode === "json") {
      this.entry?.setError(fault || `The path needs ${missing.join(", ")}.`);
      this.json?.focus();
      return;
    }
    if (this.isRaw) {
      this.path.focus();
      return;
    }
    const label = [...this.area.querySelectorAll("label")].find((each) => each.querySelector(".typed")?.textContent.includes("path") && !document.getElementById(each.getAttribute("for"))?.value);
    const control = label && document.getElementById(label.getAttribute("for"));
    if (!control) {
      this.switchTo("json");
      this.entry.setError(`The path needs ${missing.join(", ")}.`);
      return;
    }
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }
}

/** What a person would start from: the body with all of its fields; the path and the query empty. */
function template(route, method, types) {
  const example = structuredClone(method.example ?? {});
  if (!route.body) return {};
  const names = variables(route.path);
  const fields = types.get(method.requestType)?.fields ?? [];
  const kept = fields.filter((each) => (route.body === "*" ? !names.includes(each.name) : each.name === route.body));
  const found = Object.fromEntries(kept.filter((each) => example[each.jsonName] !== undefined).map((each) => [each.jsonName, example[each.jsonName]]));
  for (const name of names.filter((each) => each.includes("."))) drop(found, name.split("."));
  return found;
}

function drop(object, names) {
  if (object === null || typeof object !== "object") return;
  if (names.length === 1) delete object[names[0]];
  else drop(object[names[0]], names.slice(1));
}
