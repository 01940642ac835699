// Deletes an object: what the API says about its users is shown, and may be overruled.

import { remove, segments } from "./api.js";
import { failure, openDialog } from "./dialog.js";
import { button, fill, h, whileBusy } from "./dom.js";
import { changed } from "./shell.js";
import { say } from "./toast.js";

/** Asks, deletes, and calls `then`. `what` is a word such as `service`, `means` what goes with it where that is forced. */
export function removeObject(object, { what, title, means, canForce = true }, then) {
  const fault = h("div", { role: "alert" });
  let force = false;
  const act = button("Delete", () => whileBusy(act, async () => {
    try {
      await remove(`/${segments(object.name)}`, { etag: object.etag, force: force ? "true" : "" });
    } catch (error) {
      fill(fault, failure(error, error.reason === "IN_USE" ? "It is in use" : ""), error.reason === "IN_USE" && canForce && h("p", means));
      if (error.reason === "IN_USE" && canForce) {
        force = true;
        fill(act, "Delete all of that");
      }
      return;
    }
    dialog.close();
    say(`The ${what} is deleted`);
    changed();
    then();
  }), { kind: "primary danger" });
  const dialog = openDialog({ title: `Delete ${title}?`, body: [h("p", "This takes effect at once."), fault], actions: [button("Cancel", () => dialog.close()), act] });
}
