// The admin token: asked for once, kept for this tab, never put anywhere else.

import { h, button } from "./dom.js";
import { openDialog } from "./dialog.js";
import { field } from "./form.js";

const KEY = "twistedgw.token";
const ACTOR = "twistedgw.actor";
let held = "";
let asking = null;

const stored = (storage, key) => {
  try {
    return storage.getItem(key) ?? "";
  } catch {
    return "";
  }
};

function store(storage, key, value) {
  try {
    if (value) storage.setItem(key, value);
    else storage.removeItem(key);
  } catch {
    // Storage is off: it is kept in memory.
  }
}

/** Gives the token; empty where there is none yet. */
export const token = () => held;

/** Gives the name that changes are made under, for the audit trail; empty for none. */
export const actor = () => stored(localStorage, ACTOR);

/** Takes the token from `#token=...` or from this tab's storage. The fragment is cleared, so that nobody copies it along. */
export function startSession() {
  const match = /^#token=([^&]+)/.exec(location.hash);
  if (match) {
    held = decodeURIComponent(match[1]);
    history.replaceState(null, "", location.pathname);
    store(sessionStorage, KEY, held);
  } else {
    held = stored(sessionStorage, KEY);
  }
}

/** Forgets the token. */
export function endSession() {
  held = "";
  store(sessionStorage, KEY, "");
}

/** Asks for the token in a dialog; ends when there is one. `why` is what the gateway said about the last one. */
export function askToken(why) {
  asking ??= ask(why).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(why) {
  return new Promise((resolve) => {
    const input = h("input.input.mono", { type: "password", autocomplete: "current-password", spellcheck: "false" });
    const name = h("input.input", { type: "text", value: actor(), autocomplete: "nickname", maxlength: "100" });
    const tokenField = field({
      label: "Admin token",
      control: input,
      hint: "The one line in the gateway’s token file. The file is admin.token beside the configuration, unless token_file in [admin] names another; the gateway’s log says where it is when it starts.",
    });
    const refused = held ? why : "";
    if (refused) tokenField.setError(`${refused[0].toUpperCase()}${refused.slice(1)}.`);
    const form = h("form.fields", { novalidate: true }, tokenField.node, field({
      label: "Your name",
      optional: true,
      control: name,
      hint: "Stands beside your changes in the audit trail.",
    }).node);
    const accept = (event) => {
      event?.preventDefault();
      const value = input.value.trim();
      if (!value) {
        tokenField.setError("Enter the token.");
        input.focus();
        return;
      }
      held = value;
      store(sessionStorage, KEY, value);
      store(localStorage, ACTOR, name.value.trim());
      dialog.close();
      resolve();
    };
    form.addEventListener("submit", accept);
    form.append(h("button.unseen", { type: "submit", tabindex: "-1", "aria-hidden": "true" }, "Sign in"));
    const dialog = openDialog({
      title: "Sign in to the gateway",
      body: form,
      actions: [button("Sign in", accept, { kind: "primary" })],
      dismissable: false,
    });
    input.focus();
  });
}
