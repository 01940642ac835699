// Status: what serves, since when, how reloads ended, what fails; and the two buttons for it.

import { get, post } from "../api.js";
import { failure, place, sentence } from "../dialog.js";
import { button, fill, h, icon, whileBusy } from "../dom.js";
import { ago, count, duration, moment } from "../format.js";
import { empty, notice, page, state } from "../page.js";
import { changed } from "../shell.js";
import { table } from "../table.js";
import { say } from "../toast.js";

const EVERY = 5000;

export default async function status({ signal }) {
  const area = h("div.stack-large");
  const result = h("div", { role: "status" });
  const show = async () => fill(area, view(await get("/status", {}, signal)));
  await show();
  const timer = setInterval(() => {
    if (!document.hidden && !area.contains(document.activeElement)) show().catch(() => {});
  }, EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
  const reload = button("Reload", () => whileBusy(reload, () => act(result, async () => {
    const done = await post(":reload", {});
    changed();
    await show();
    if (done.accepted) say(`Reloaded: ${done.message}`);
    return done.accepted ? null : problemNotice("bad", `Nothing has changed: ${done.message}`, done.problems);
  })), { icon: "reload", kind: "primary" });
  const check = button("Check", () => whileBusy(check, () => act(result, async () => checkResult(await post(":check", {})))), { icon: "check" });
  return page({ title: "Status", lead: "Reload reads the configuration again, as SIGHUP does. Check only tells what a reload would find." },
    h("div.bar", reload, check), h("div.stack-large", result, area));
}

async function act(result, run) {
  fill(result);
  try {
    fill(result, await run());
  } catch (error) {
    fill(result, failure(error));
  }
}

function checkResult(found) {
  const parts = [];
  if (found.ok) parts.push(notice("good", h("strong", "It could be served"), h("p", `${count(found.routeCount, "route")}. ${sentence(found.changes ?? "")}`)));
  else parts.push(problemNotice("bad", `${count(found.problems?.length, "problem")}: a reload would change nothing`, found.problems));
  if (found.warnings?.length) parts.push(problemNotice("warn", count(found.warnings.length, "warning"), found.warnings));
  return h("div.stack", parts);
}

function problemNotice(kind, title, problems = []) {
  return h("div.notice", { class: kind }, icon("alert"), h("div", h("strong", title), h("ul.problems", problems.map((each) => h("li", h("span.at", place(each)), h("span", sentence(each.message), each.hint ? ` ${sentence(each.hint)}` : ""))))));
}

function view(it) {
  const errors = it.errors ?? [];
  return [
    it.readOnlyReason && notice("warn", `Nothing can be changed here: ${it.readOnlyReason}`),
    figures(it),
    it.warnings?.length ? problemNotice("warn", count(it.warnings.length, "warning"), it.warnings) : null,
    h("div.columns",
      h("section", h("h2.section-head", "Reloads"), h("div.panel", reloads(it.reloads ?? []))),
      h("section", h("h2.section-head", "Server errors since the start"), h("div.panel", errors.length ? errorTable(errors) : empty("check", "There are none", "Answers with a status of 5xx are counted here, by API.")))),
    h("div.columns",
      h("section", h("h2.section-head", "Listeners"), h("div.panel", listeners(it.listeners ?? []))),
      h("section", h("h2.section-head", "Workers"), h("div.panel", workers(it.workers ?? [])))),
    h("section", h("h2.section-head", "Configuration"), h("div.panel.pad", h("dl.facts",
      h("dt", "Files"), h("dd", (it.files ?? []).map((file) => h("div.mono.small", file))),
      h("dt", "Created here"), h("dd.mono.small", it.stateDir ?? "–"),
      h("dt", "Digest"), h("dd.mono.small", it.digest ?? ""),
      h("dt", "Bridge"), h("dd", it.bridge || "–"),
      h("dt", "Version"), h("dd", it.version ?? "")))),
  ];
}

function figures(it) {
  const one = (title, value, under) => h("div", h("dt", title), h("dd", value, under && h("small.small", under)));
  const answers = Object.values(it.responses ?? {}).reduce((sum, each) => sum + Number(each), 0);
  const classes = Object.entries(it.responses ?? {}).sort().map(([name, number]) => `${name} ${Number(number).toLocaleString("en")}`).join(", ");
  return h("dl.figures",
    one("State", state(it.state === "serving" ? "good" : "warn", it.state === "serving" ? "Serving" : "Draining"), h("span", { title: moment(it.startTime) }, `started ${ago(it.startTime)}`)),
    one("Generation", it.generation ?? "0", h("span", { title: moment(it.since) }, ago(it.since))),
    one("In flight", String(it.inFlight ?? 0), "requests now"),
    one("Answers", answers.toLocaleString("en"), classes || "none yet"),
    one("Routes", String(it.routeCount ?? 0), `${count(it.serviceCount, "service")}, ${count(it.apiCount, "API")}`),
    one("Plugins", String(it.pluginCount ?? 0), `${count(it.bindingCount, "binding")}, ${count(it.backendCount, "backend")}`));
}

const CAUSES = { start: "start", signal: "SIGHUP", admin: "console or admin API" };

function reloads(list) {
  if (!list.length) return empty("reload", "Not reloaded since the start");
  return h("ol.timeline", list.slice(0, 10).map((each) => h("li", h("span.dot", { class: each.accepted ? "good" : "bad" }), h("span", each.accepted ? sentence(each.message ?? "") : h("span.bad.strong", sentence(each.message ?? "refused"))),
    h("time.small.soft.nowrap", { datetime: each.time, title: moment(each.time) }, ago(each.time)),
    h("span.under", `generation ${each.generation ?? 0}, ${CAUSES[each.cause] ?? each.cause}${each.duration ? `, in ${duration(each.duration)}` : ""}`),
    (each.problems ?? []).slice(0, 5).map((problem) => h("span.under.bad", `${place(problem)} ${problem.message}`)))));
}

function errorTable(errors) {
  return table({ caption: "Server errors", rows: errors, columns: [
    { title: "API", cell: (each) => (each.service ? [h("span.strong", each.api), h("span.sub", `${each.service} · ${each.environment}`)] : h("span.soft", "no API")) },
    { title: "Code", cell: (each) => h("span.mono.small", each.code) },
    { title: "Count", kind: "num", cell: (each) => Number(each.count).toLocaleString("en") },
  ] });
}

function listeners(list) {
  if (!list.length) return empty("route", "There is no listener");
  return table({ caption: "Listeners", rows: list, columns: [
    { title: "Name", cell: (each) => h("span.strong", each.name) },
    { title: "Address", cell: (each) => [h("span.mono.small.break", each.url || each.endpoint), each.tls && h("span.sub", "TLS")] },
  ] });
}

function workers(list) {
  if (!list.length) return empty("backend", "One process does it all");
  return table({ caption: "Workers", rows: list, columns: [
    { title: "Process", cell: (each) => [state(each.state === "serving" ? "good" : "warn", `pid ${each.pid}`), h("span.sub", { title: moment(each.startTime) }, `since ${ago(each.startTime)}`)] },
    { title: "Generation", kind: "num", cell: (each) => each.generation ?? "" },
    { title: "In flight", kind: "num", cell: (each) => String(each.inFlight ?? 0) },
    { title: "Restarts", kind: "num", cell: (each) => String(each.restarts ?? 0) },
  ] });
}
