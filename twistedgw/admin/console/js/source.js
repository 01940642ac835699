// Where a plugin's messages come from: files, text, or a backend's reflection; with an editor for what is text.

import { button, fill, h, icon } from "./dom.js";
import { editor } from "./code.js";
import { choices, field, select, textInput } from "./form.js";
import { bytes, short } from "./format.js";
import { LARGEST, chosen, dropped, readAll } from "./uploads.js";

const MODES = [
  ["files", "Files", ".proto files, a folder, a zip, or a descriptor set"],
  ["text", "Text", "Write or paste a .proto here"],
  ["reflection", "Reflection", "Ask a gRPC backend for its description"],
];
const FIRST = 'syntax = "proto3";\n\npackage example.v1;\n\n';

/**
 * Makes the input.
 * @param {object} options
 * @param {object} [options.source] what there is, with the text of its files.
 * @param {object[]} options.backends for reflection.
 * @param {function} options.suggest gives a name for a file that has none.
 * @param {function} options.onChange is told that something changed.
 */
export function sourceInput({ source = null, backends, suggest, onChange }) {
  const self = new SourceInput(source, backends, suggest, onChange);
  return self;
}

class SourceInput {
  constructor(source, backends, suggest, onChange) {
    this.files = (source?.files ?? []).map(({ path, content }) => ({ path, text: content ?? "" }));
    this.raw = null;
    this.kept = source?.kind === "descriptor_set";
    this.mode = source?.kind === "reflection" ? "reflection" : "files";
    this.open = 0;
    this.problems = [];
    this.suggest = suggest;
    this.changed = onChange;
    this.onFiles = () => {};
    this.faults = h("div.stack", { role: "alert" });
    this.area = h("div.stack");
    this.root = textInput({ value: source?.importRoot ?? "", mono: true, placeholder: "found by itself", on: { input: () => this.changed() } });
    const grpc = backends.filter((each) => each.protocol.startsWith("grpc")).map((each) => short(each.name));
    this.backend = select(grpc.length ? [["", "Choose a backend"], ...grpc] : [["", "There is no gRPC backend"]], source?.reflection ?? "", { on: { change: () => this.changed() } });
    this.backendField = field({ label: "Backend", control: this.backend, hint: "It is asked at each reload, so its description is never out of date.", names: ["plugin.source.reflection"] });
    this.rootField = field({ label: "Import root", optional: true, control: this.root, hint: "The folder among these files that imports start from.", names: ["plugin.source.import_root", "import_root"] });
    this.node = h("div.stack", field({ label: "Description (.proto)", group: true, control: choices("source", MODES, this.mode, (mode) => this.choose(mode)) }).node, this.area);
    this.draw();
  }

  choose(mode) {
    this.mode = mode;
    if (mode === "text" && this.files.length === 0) this.add({ path: `${this.suggest() || "service"}.proto`, text: FIRST });
    this.draw();
    if (mode === "text") this.editor?.input.focus();
    this.changed();
  }

  /** Whether there is something to send. */
  get given() {
    if (this.mode === "reflection") return this.backend.value !== "";
    return this.raw !== null || this.files.length > 0;
  }

  /** What is sent as JSON, or, for a zip and a descriptor set, as a form. */
  get payload() {
    if (this.mode === "reflection") return { source: { reflection: this.backend.value } };
    if (this.raw) {
      const form = new FormData();
      form.append("file", this.raw, this.raw.name);
      return { form, importRoot: this.root.value.trim() };
    }
    const files = this.files.map(({ path, text }) => ({ path, content: text }));
    return { source: { files, importRoot: this.root.value.trim() } };
  }

  add(file) {
    const same = this.files.findIndex((each) => each.path === file.path);
    if (same >= 0) this.files[same] = file;
    else this.files.push(file);
  }

  async take(given) {
    const { files, raw, faults } = await readAll(given);
    fill(this.faults, faults.map((text) => h("div.fault", icon("alert"), h("span", text))));
    if (raw) {
      this.raw = raw;
      this.files = [];
    } else if (files.length) {
      this.raw = null;
      files.forEach((file) => this.add(file));
      this.open = Math.max(0, this.files.findIndex((each) => each.path === files[0].path));
    }
    this.draw();
    if (raw || files.length) {
      this.onFiles(raw?.name ?? files[0].path);
      this.changed();
    }
  }

  draw() {
    this.editor = null;
    if (this.mode === "reflection") {
      fill(this.area, this.backendField.node);
      return;
    }
    const parts = [];
    if (this.mode === "files") parts.push(this.dropZone(), this.faults);
    if (this.kept && !this.raw && !this.files.length) parts.push(h("p.soft.small", "A descriptor set is in use. Give files to put something else in its place."));
    if (this.raw) parts.push(this.rawRow());
    if (this.files.length) parts.push(this.fileList());
    if (this.raw || this.files.length > 1 || this.files.some((file) => file.path.includes("/"))) parts.push(this.rootField.node);
    if (this.files.length) parts.push(this.fileEditor());
    fill(this.area, parts);
  }

  dropZone() {
    const pick = h("input", { type: "file", multiple: true, hidden: true, accept: ".proto,.zip,.binpb,.pb,.desc,.protoset", on: { change: () => this.take(chosen(pick)) } });
    const folder = h("input", { type: "file", hidden: true, webkitdirectory: true, on: { change: () => this.take(chosen(folder)) } });
    const has = this.files.length > 0 || this.raw !== null;
    const zone = h("div.drop", { class: has ? "slim" : "" }, icon("upload"), h("strong", has ? "Drop more files, or others in their place" : "Drop .proto files, a folder or a zip here"),
      h("div.row", button("Choose files", () => pick.click(), { kind: "compact" }), button("Choose a folder", () => folder.click(), { kind: "compact quiet" })),
      !has && h("span.small", "Each .proto up to 1 MiB. Files that they import come along; google/* is always there."), pick, folder);
    const over = (event) => {
      event.preventDefault();
      zone.classList.add("over");
    };
    zone.addEventListener("dragenter", over);
    zone.addEventListener("dragover", over);
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      this.take(await dropped(event.dataTransfer));
    });
    return zone;
  }

  rawRow() {
    return h("ul.filelist", h("li", icon("file"), h("span.open", this.raw.name), h("span.small.soft.nowrap", bytes(this.raw.size)),
      button("", () => {
        this.raw = null;
        this.draw();
        this.changed();
      }, { icon: "close", kind: "quiet compact square", label: `Remove ${this.raw.name}` })));
  }

  fileList() {
    return h("ul.filelist", this.files.map((file, index) => {
      const size = new Blob([file.text]).size;
      const wrong = this.problems.filter((problem) => problem.index === index).length;
      return h("li", { data: index === this.open ? { on: "" } : {} }, icon("file"),
        h("button.open", { type: "button", "aria-pressed": String(index === this.open), on: { click: () => this.show(index) } }, file.path),
        wrong > 0 && h("span.badge.bad", `${wrong} ${wrong === 1 ? "error" : "errors"}`),
        size > LARGEST ? h("span.badge.bad", "over 1 MiB") : h("span.small.soft.nowrap", bytes(size)),
        button("", () => this.drop(index), { icon: "close", kind: "quiet compact square", label: `Remove ${file.path}` }));
    }));
  }

  drop(index) {
    this.files.splice(index, 1);
    this.open = Math.max(0, Math.min(this.open, this.files.length - 1));
    this.problems = [];
    this.draw();
    this.changed();
  }

  show(index) {
    this.open = index;
    this.draw();
  }

  fileEditor() {
    const file = this.files[this.open];
    this.editor = editor({ text: file.text, label: file.path, onChange: (text) => {
      file.text = text;
      this.changed();
    } });
    this.editor.mark(this.problems.filter((problem) => problem.index === this.open));
    return this.editor.node;
  }

  /** Marks what is wrong; gives the problems with the file that each is in. */
  mark(problems) {
    this.problems = problems.map((problem) => ({ ...problem, index: this.indexOf(problem) }));
    if (this.mode !== "reflection" && this.files.length) {
      this.editor?.mark(this.problems.filter((problem) => problem.index === this.open));
      this.area.querySelector(".filelist")?.replaceWith(this.fileList());
    }
    return this.problems;
  }

  indexOf(problem) {
    const byField = /files\[(\d+)\]/.exec(problem.field ?? "");
    if (byField) return Number(byField[1]);
    return this.files.findIndex((file) => file.path === problem.file || file.path.endsWith(`/${problem.file}`));
  }

  /** Shows the line that a problem is about. */
  reveal(problem) {
    if (problem.index < 0 || this.mode === "reflection") return;
    if (problem.index !== this.open) this.show(problem.index);
    this.editor?.reveal(problem.line || 1, problem.column || 1);
  }
}
