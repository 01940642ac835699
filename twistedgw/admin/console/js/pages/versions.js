// The versions of a plugin's description: what each was, and the way back.

import { get, listAll, post, segments } from "../api.js";
import { viewer } from "../code.js";
import { failure, openDialog } from "../dialog.js";
import { button, fill, h, whileBusy } from "../dom.js";
import { ago, bytes, count, moment } from "../format.js";
import { empty, isOurs, page, whyNot } from "../page.js";
import { changeList } from "../outcome.js";
import { refresh } from "../router.js";
import { changed } from "../shell.js";
import { op, table } from "../table.js";
import { say, warn } from "../toast.js";

export default async function versions({ params, signal }) {
  const path = `/plugins/${encodeURIComponent(params.name)}`;
  const [plugin, list] = await Promise.all([get(path, {}, signal), listAll(`${path}/versions`, "versions", {}, signal)]);
  const why = isOurs(plugin) ? "" : whyNot(plugin);
  return page({
    title: `Versions of ${params.name}`,
    lead: "Each change of the description is kept. Restoring one makes a new version of it, in effect at once.",
    crumbs: [["Plugin"], ["System Plugin", "#/plugins"], [params.name, `#${path}`], ["Versions"]],
  }, h("div.panel", list.length === 0
    ? empty("history", "No versions are kept", isOurs(plugin) ? "This plugin’s description comes from its backend." : `${why} Versions are kept of what is created here.`)
    : table({
      caption: "Versions",
      rows: list,
      columns: [
        { title: "Version", kind: "tight", cell: (version) => [h("span.strong", `Version ${version.number}`), version.current && [" ", h("span.badge.good", "serves")]] },
        { title: "Made", kind: "tight", cell: (version) => h("span", { title: moment(version.createTime) }, ago(version.createTime)) },
        { title: "By", cell: (version) => h("span.break", version.actor ?? "") },
        { title: "Comment", cell: (version) => [version.comment ?? "", version.restoredFrom ? h("span.sub", `restored from version ${version.restoredFrom}`) : ""] },
        { title: "Services", cell: (version) => h("span.small.break", (version.services ?? []).join(", ")) },
        { title: "Operation", plain: true, cell: (version) => h("div.ops", op("View", () => view(version), { label: `View version ${version.number}` }),
          !version.current && op("Restore", () => restore(plugin, version), { why, label: `Restore version ${version.number}` })) },
      ],
    })));
}

async function view(version) {
  let whole;
  try {
    whole = await get(`/${segments(version.name)}`);
  } catch (error) {
    warn(error);
    return;
  }
  const files = whole.source?.files ?? [];
  openDialog({
    title: `Version ${version.number}`,
    lead: `${ago(version.createTime)}${version.comment ? `: ${version.comment}` : ""}`,
    body: files.length ? files.map((file) => h("div.stack", h("p.small.soft", h("span.mono", file.path), ` · ${bytes(file.sizeBytes)}`), viewer(file.content ?? "", { label: file.path }))) : h("p", "It is a descriptor set: there is no text to show."),
    wide: true,
  });
}

async function restore(plugin, version) {
  const path = `/${segments(version.name)}:restore`;
  let report;
  try {
    report = (await post(path, { validateOnly: true, force: true, etag: plugin.etag })).report ?? {};
  } catch (error) {
    warn(error);
    return;
  }
  const fault = h("div", { role: "alert" });
  const bound = plugin.boundApiCount ?? 0;
  const risky = report.breaking && bound > 0;
  const act = button(risky ? "Restore all the same" : "Restore", () => whileBusy(act, async () => {
    try {
      const made = await post(path, { force: risky, etag: plugin.etag });
      dialog.close();
      say(`Version ${version.number} is restored as version ${made.version}. It is in effect.`);
      changed();
      refresh();
    } catch (error) {
      fill(fault, failure(error));
    }
  }), { kind: risky ? "primary danger" : "primary" });
  const dialog = openDialog({
    title: `Restore version ${version.number}?`,
    lead: bound ? `${count(bound, "bound API")} will use it at once.` : "Nothing is bound to it now.",
    body: [changeList(report) ?? h("p", "It describes the same as the one that serves."), fault],
    actions: [button("Cancel", () => dialog.close()), act],
    wide: true,
  });
}
