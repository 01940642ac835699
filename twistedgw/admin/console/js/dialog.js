// Dialogs: native <dialog>, so that focus stays inside, Escape closes, and focus goes back to where it was.

import { button, fill, h, icon, uid, whileBusy } from "./dom.js";

/**
 * Opens a dialog.
 * @param {object} options
 * @param {string} options.title
 * @param {string|Node} [options.lead] a sentence below the title.
 * @param {Node|Node[]} options.body
 * @param {Node[]} [options.actions] buttons, the main one last.
 * @param {boolean} [options.wide]
 * @param {boolean} [options.dismissable] whether it can be closed without an answer.
 * @param {function} [options.onClose] run once when it is closed, however that comes.
 * @returns {{node: HTMLDialogElement, close: function, note: function}}
 */
export function openDialog({ title, lead, body, actions = [], wide = false, dismissable = true, onClose }) {
  const id = uid("dialog");
  const note = h("span.note", { role: "status" });
  const node = h(
    "dialog",
    { class: wide ? "wide" : "", "aria-labelledby": id },
    h(
      "div.dialog",
      h("div.dialog-head", h("div", h("h2", { id }, title), lead && h("p", lead)),
        dismissable && button("", () => node.close(), { icon: "close", kind: "quiet compact square", label: "Close" })),
      h("div.dialog-body", body),
      actions.length > 0 && h("div.dialog-foot", note, actions),
    ),
  );
  const before = document.activeElement;
  node.addEventListener("cancel", (event) => {
    if (!dismissable || node.querySelector("[aria-busy='true']")) event.preventDefault();
  });
  node.addEventListener("keydown", (event) => {
    if (!dismissable && event.key === "Escape") event.preventDefault();
  });
  node.addEventListener("close", () => {
    node.remove();
    if (before?.isConnected) before.focus();
    onClose?.();
  });
  document.body.append(node);
  node.showModal();
  const first = node.querySelector(".dialog-body :is(input, select, textarea):not([disabled], [type='hidden'])");
  (first ?? node.querySelector(".dialog-foot .button:last-child") ?? node).focus();
  return { node, close: () => node.open && node.close(), note: (...content) => fill(note, ...content) };
}

/**
 * Asks whether something shall be done, and does it: `run` may throw, the dialog then shows the error and stays.
 * @returns {Promise<boolean>} whether it was done.
 */
export function confirm({ title, body, action, danger = false, run }) {
  return new Promise((resolve) => {
    let done = false;
    const fault = h("div", { role: "alert" });
    const go = button(action, () => whileBusy(go, attempt), { kind: danger ? "primary danger" : "primary" });
    const attempt = async () => {
      try {
        await run?.();
        done = true;
        dialog.close();
      } catch (error) {
        fill(fault, failure(error));
      }
    };
    const dialog = openDialog({
      title,
      body: [body, fault],
      actions: [button("Cancel", () => dialog.close()), go],
      onClose: () => resolve(done),
    });
  });
}

/** Shows what an error says, with its problems and the users that it names. */
export function failure(error, title = "") {
  const points = [
    ...(error.users ?? []).map((user) => h("li", h("span.strong", user.subject), user.description ? `: ${user.description}` : "")),
    ...(error.problems ?? []).map((problem) => h("li", place(problem) && h("span.mono.strong", `${place(problem)} `), problem.message, problem.hint ? ` (${problem.hint})` : "")),
  ];
  return h("div.notice.bad", { role: "alert" }, icon("alert"), h("div", title ? h("strong", title) : null, h("p", sentence(error.message)), points.length > 0 && h("ul", points)));
}

/** Gives `file:line:column`, or the section of an INI file, as far as it is known. */
export function place({ file, line, column, section, option }) {
  const at = [file, line, column].filter(Boolean).join(":");
  const inside = section ? `[${section}]${option ? ` ${option}` : ""}` : "";
  return [at, inside].filter(Boolean).join(" ");
}

/** Begins with a capital, and ends with a full stop. */
export function sentence(text) {
  const trimmed = String(text ?? "").trim();
  if (!trimmed) return "Something went wrong.";
  const first = /^[a-z]+[ ,]/.test(trimmed) ? trimmed[0].toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?…:]$/.test(first) ? first : `${first}.`;
}
