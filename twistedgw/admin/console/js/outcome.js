// What the gateway thinks of a description before it is taken: its services, or its errors at their lines.

import { fill, h, icon } from "./dom.js";
import { place, sentence } from "./dialog.js";
import { count } from "./format.js";
import { serviceTree } from "./tree.js";

/** Makes the panel; `reveal` is called with the problem that a person wants to see. */
export function outcomePanel(reveal) {
  const node = h("section", { "aria-live": "polite", "aria-label": "Check" });
  return {
    node,
    clear: () => fill(node),
    busy: () => node.childElementCount === 0 && fill(node, h("div.waiting", h("span.spin", { "aria-hidden": "true" }), "Checking")),
    problems: (problems, message) => fill(node, problemList(problems, message, reveal)),
    schema: (schema, report, note = "") => fill(node, h("div.stack", good(schema, note), report ? changeList(report) : null, warnings(schema, reveal), serviceTree(schema.services ?? [], { open: (schema.services ?? []).length < 3 }))),
  };
}

function good(schema, note) {
  const services = schema.services ?? [];
  const methods = services.reduce((sum, service) => sum + (service.methods?.length ?? 0), 0);
  const kind = services.length ? "good" : "warn";
  const text = services.length
    ? `Valid: ${count(services.length, "service")}, ${count(methods, "method")}, ${count(schema.messages?.length, "message")}.`
    : "Valid, but it describes no service, so no API can be converted with it.";
  return h("div.notice", { class: kind }, icon(services.length ? "check" : "alert"), h("div", h("p", text), note && h("p", note)));
}

function warnings(schema, reveal) {
  return schema.warnings?.length ? h("div.notice.warn", icon("alert"), h("div", h("strong", count(schema.warnings.length, "warning")), problemItems(schema.warnings, reveal))) : null;
}

/** Shows problems, each with its place as a button. */
export function problemList(problems, message, reveal) {
  const located = problems.filter((problem) => problem.line || problem.file);
  const title = located.length ? count(problems.length, "error") : "This cannot be taken";
  return h("div.notice.bad", icon("alert"), h("div", h("strong", title), problems.length ? problemItems(problems, reveal) : h("p", sentence(message))));
}

function problemItems(problems, reveal) {
  return h("ul.problems", problems.map((problem) => {
    const at = place(problem);
    const canJump = reveal && problem.index >= 0 && problem.line;
    return h("li", at && (canJump ? h("button.at", { type: "button", on: { click: () => reveal(problem) } }, at) : h("span.at", at)),
      h("span", sentence(problem.message), problem.hint ? ` ${sentence(problem.hint)}` : ""));
  }));
}

/** Shows what a change of a description means: what breaks first, then all else. */
export function changeList(report) {
  const changes = report.changes ?? [];
  if (!changes.length) return null;
  const broken = report.brokenApis ?? [];
  const breaking = changes.filter((change) => change.breaking);
  const others = changes.filter((change) => !change.breaking);
  return h("div.stack",
    broken.length > 0 && h("div.notice.bad", icon("alert"), h("div", h("strong", `${count(broken.length, "bound API")} would not work any more`),
      h("ul", broken.map((api) => h("li", h("span.strong", `${api.service} / ${api.environment} / ${api.api}`), `: ${api.message}`))))),
    breaking.length > 0 && h("div", h("h3.bad", `${count(breaking.length, "change")} that can break clients or backends`), changeItems(breaking, "bad")),
    others.length > 0 && h("div", h("h3", `${count(others.length, "compatible change")}`), changeItems(others, "good")));
}

function changeItems(changes, kind) {
  return h("ul.changes", changes.map((change) => h("li", h("span.badge", { class: kind }, change.kind.toLowerCase().replaceAll("_", " ")), h("span.break", sentence(change.message)),
    h("span.sub.mono", [change.subject, place(change)].filter(Boolean).join(" · ")))));
}
