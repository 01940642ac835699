// Changes a plugin. What a new description means for clients and bindings is shown before it is taken.

import { get, listAll, patch, segments, send } from "../api.js";
import { failure, openDialog } from "../dialog.js";
import { button, fill, h, whileBusy } from "../dom.js";
import { field, showError, textInput } from "../form.js";
import { isOurs, notice, originBadge, page, whyNot } from "../page.js";
import { changeList, outcomePanel } from "../outcome.js";
import { go } from "../router.js";
import { changed } from "../shell.js";
import { sourceInput } from "../source.js";
import { say } from "../toast.js";
import { optionFields, pluginTypes, typeTitle } from "../types.js";
import { progress } from "./plugin-create.js";

const PAUSE = 350;

export default async function edit({ params, signal }) {
  const path = `/plugins/${encodeURIComponent(params.name)}`;
  const [types, plugin, backends] = await Promise.all([pluginTypes(), get(path, { view: "FULL" }, signal), listAll("/backends", "backends", {}, signal)]);
  return new EditPage(params.name, plugin, types, backends, signal).node;
}

class EditPage {
  constructor(name, plugin, types, backends, signal) {
    this.name = name;
    this.plugin = plugin;
    this.signal = signal;
    this.path = `/${segments(plugin.name)}`;
    const type = types.find((each) => each.name === plugin.type);
    this.options = optionFields(type, plugin.options ?? {});
    this.touched = false;
    this.summary = h("div", { role: "alert" });
    this.progress = h("div", { role: "status" });
    this.comment = textInput({ maxlength: "200", placeholder: "Why it is changed" });
    this.commentField = field({ label: "Comment", optional: true, control: this.comment, hint: "Kept with the version.", names: ["comment"] });
    this.outcome = outcomePanel((problem) => this.source.reveal(problem));
    this.source = type.hasSource ? sourceInput({ source: plugin.source, backends, suggest: () => name, onChange: () => this.later() }) : null;
    this.submit = h("button.button.primary", { type: "submit", disabled: !isOurs(plugin) }, this.source ? "Review and save" : "Save");
    this.form = h("form.stack-large", { novalidate: true, on: { submit: (event) => this.onSubmit(event), keydown: (event) => this.onKey(event) } },
      !isOurs(plugin) && notice("", whyNot(plugin)),
      this.source && [this.source.node, this.outcome.node],
      h("details", { open: !type.hasSource || Object.keys(plugin.options ?? {}).length > 0 }, h("summary.strong", `Options (${type.options?.length ?? 0})`), this.options.node),
      this.source && this.commentField.node, this.summary, this.progress,
      h("div.row", this.submit, h("a.button.quiet", { href: `#/plugins/${encodeURIComponent(name)}` }, "Cancel")));
    this.node = page({
      title: `Edit ${name}`,
      crumbs: [["Plugin"], ["System Plugin", "#/plugins"], [name, `#/plugins/${encodeURIComponent(name)}`], ["Edit"]],
      beside: [h("span.badge", typeTitle(types, plugin.type)), originBadge(plugin.origin)],
      narrow: true,
    }, this.form);
  }

  onKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit(this.submit);
  }

  later() {
    this.touched = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE);
  }

  async check() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (!this.source.given) {
      this.outcome.clear();
      return null;
    }
    this.outcome.busy();
    try {
      const made = await this.send({ validateOnly: true, force: true });
      if (turn !== this.turn || this.signal.aborted) return null;
      this.source.mark([]);
      const note = made.report?.changes?.length ? "" : "It describes the same as the one that serves.";
      this.outcome.schema(made.schema ?? {}, made.report, note);
      return made;
    } catch (error) {
      if (turn === this.turn) this.judge(error);
      return null;
    }
  }

  judge(error) {
    const located = error.problems?.length ? error.problems : (error.fields ?? []).map(({ description }) => ({ message: description }));
    this.outcome.problems(this.source.mark(located), error.message);
  }

  /** Sends the change; with `validateOnly` it is only judged. */
  send({ validateOnly = false, force = false, onProgress }) {
    const query = { validate_only: validateOnly ? "true" : "", force: force ? "true" : "", comment: this.comment.value.trim() };
    const payload = this.touched && this.source ? this.source.payload : {};
    if (payload.form) return send("POST", `${this.path}:import`, payload.form, { query: { ...query, import_root: payload.importRoot, etag: this.plugin.etag }, onProgress });
    const body = { options: this.options.values(), etag: this.plugin.etag, ...(payload.source ? { source: payload.source } : {}) };
    const mask = payload.source ? "options,source" : "options";
    return onProgress ? send("PATCH", this.path, body, { query: { ...query, update_mask: mask }, onProgress }) : patch(this.path, body, { ...query, update_mask: mask });
  }

  onSubmit(event) {
    event.preventDefault();
    clearTimeout(this.timer);
    this.turn = (this.turn ?? 0) + 1;
    whileBusy(this.submit, () => this.review());
  }

  async review() {
    fill(this.summary);
    let made;
    try {
      made = await this.send({ validateOnly: true, force: true });
    } catch (error) {
      this.refuse(error);
      return;
    }
    const report = made.report ?? {};
    if (!report.changes?.length) {
      await this.save(false).catch((error) => this.refuse(error));
      return;
    }
    this.ask(report);
  }

  ask(report) {
    const fault = h("div", { role: "alert" });
    const bound = this.plugin.boundApiCount ?? 0;
    const risky = report.breaking && bound > 0;
    const go_ = button(risky ? "Save all the same" : "Save", () => whileBusy(go_, async () => {
      try {
        await this.save(risky);
        dialog.close();
      } catch (error) {
        fill(fault, failure(error));
      }
    }), { kind: risky ? "primary danger" : "primary" });
    const dialog = openDialog({
      title: report.breaking ? "This can break clients" : "No client breaks",
      lead: risky ? `It is bound to ${bound === 1 ? "one API, which changes" : `${bound} APIs, which change`} at once. The version before is kept.` : "It takes effect at once. The version before is kept.",
      body: [changeList(report), fault],
      actions: [button("Back", () => dialog.close()), go_],
      wide: true,
    });
  }

  refuse(error) {
    if (this.source && error.problems?.some((problem) => problem.line)) {
      this.judge(error);
      this.source.reveal(this.source.mark(error.problems)[0]);
      this.outcome.node.scrollIntoView({ block: "nearest" });
      return;
    }
    const fields = [...this.options.fields, this.commentField, ...(this.source ? [this.source.rootField, this.source.backendField] : [])];
    showError(error, fields, this.summary);
  }

  async save(force) {
    try {
      const saved = await this.send({ force, onProgress: (part) => fill(this.progress, progress(part)) });
      if (this.touched && this.source?.raw && Object.keys(this.options.values()).length) await patch(this.path, { options: this.options.values() }, { update_mask: "options" });
      say(saved.version ? `${this.name} is saved as version ${saved.version}. It is in effect.` : `${this.name} is saved. It is in effect.`);
    } finally {
      fill(this.progress);
    }
    changed();
    go(`/plugins/${encodeURIComponent(this.name)}`);
  }
}
