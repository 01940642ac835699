// The answer of *Try it*: status, headers, body, trailers, timing; pieces of a stream as they come.

import { lines } from "./api.js";
import { json } from "./code.js";
import { failure } from "./dialog.js";
import { fill, h } from "./dom.js";
import { bytes, duration } from "./format.js";
import { empty, notice } from "./page.js";
import { table } from "./table.js";

const STREAMED = /ndjson|event-stream|json-seq/;

/** Shows one exchange after another. */
export class Exchange {
  constructor() {
    this.line = h("div.answer-line", { role: "status" });
    this.body = h("div.stack");
    this.more = h("div.stack");
    this.node = h("div.exchange", h("div.section-head", h("h2", "Answer")), this.line, this.body, this.more);
    fill(this.body, h("div.panel", empty("send", "Nothing is sent yet", "The answer’s status, headers, body, trailers and times appear here.")));
  }

  /** Gives up what is on its way. */
  stop() {
    this.abort?.abort();
  }

  async run(request, stop, signal) {
    this.abort = new AbortController();
    const leave = () => this.stop();
    signal.addEventListener("abort", leave);
    this.text = "";
    this.rest = "";
    this.head = null;
    fill(this.line, h("span.spin", { "aria-hidden": "true" }), h("span.soft", "Sent"), stop);
    fill(this.body);
    fill(this.more);
    try {
      for await (const event of lines(":try", request, this.abort.signal)) this.take(event, stop);
    } catch (error) {
      if (error.name === "AbortError") this.finish({ error: "It was stopped here." }, "");
      else this.fail(error);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  fail(error) {
    fill(this.line);
    fill(this.body, failure(error, "It could not be sent"));
  }

  take({ head, body, end, elapsed }, stop) {
    if (head) this.begin(head, elapsed, stop);
    if (body) this.piece(body, elapsed);
    if (end) this.finish(end, elapsed);
  }

  begin(head, elapsed, stop) {
    this.head = head;
    this.first = elapsed;
    const type = head.headers?.find((each) => each.name.toLowerCase() === "content-type")?.value ?? "";
    this.streams = STREAMED.test(type);
    this.isEvents = type.includes("event-stream");
    fill(this.line, h("span.status", { class: head.status < 400 ? "good" : "bad" }, `${head.status} ${head.reason ?? ""}`), h("span.small.soft.num", `first byte after ${duration(elapsed)}`), h("span.spin.soft", { "aria-hidden": "true" }), stop);
    if (this.streams) fill(this.body, this.pieces = h("div.pieces", { tabindex: "0", role: "log", "aria-label": "Messages" }));
    fill(this.more, headerTable("Headers", head.headers ?? []));
  }

  piece({ text, data }, elapsed) {
    if (data) {
      this.text += `[${data.length} characters of base64: ${data.slice(0, 200)}]`;
      return;
    }
    this.text += text ?? "";
    if (!this.streams) return;
    const separator = this.isEvents ? /\r?\n\r?\n/ : /\r?\n/;
    const parts = (this.rest + (text ?? "")).split(separator);
    this.rest = parts.pop();
    for (const part of parts) this.show(part, elapsed);
  }

  show(part, elapsed) {
    if (!part.trim()) return;
    const atEnd = this.pieces.scrollTop + this.pieces.clientHeight > this.pieces.scrollHeight - 20;
    this.pieces.append(h("div.piece", h("time", duration(elapsed)), h("pre", this.isEvents ? part : json(pretty(part)))));
    if (atEnd) this.pieces.scrollTop = this.pieces.scrollHeight;
  }

  finish(end, elapsed) {
    if (!this.head) {
      fill(this.line);
      fill(this.body, notice("bad", h("strong", "There is no answer"), h("p", end.error ?? "")));
      return;
    }
    if (this.streams && this.rest.trim()) this.show(this.rest, elapsed || this.first);
    const { status, reason, url } = this.head;
    fill(this.line, h("span.status", { class: status < 400 ? "good" : "bad" }, `${status} ${reason ?? ""}`),
      h("span.small.soft.num", `${elapsed ? `${duration(elapsed)}, ` : ""}${bytes(end.sizeBytes ?? new Blob([this.text]).size)}`), url && h("span.small.soft.break", url));
    if (!this.streams) fill(this.body, this.text ? h("pre.code.plain", { tabindex: "0", "aria-label": "Body" }, json(pretty(this.text))) : h("p.soft", "The body is empty."));
    if (end.error) this.body.append(notice("bad", h("strong", "The answer has no proper end"), h("p", end.error)));
    if (end.trailers?.length) this.more.append(headerTable("Trailers", end.trailers));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function headerTable(title, rows) {
  return h("details", { open: title === "Trailers" }, h("summary.small.strong", `${title} (${rows.length})`), h("div.panel", table({ caption: title, rows, keep: true, columns: [
    { title: "Name", cell: (each) => h("span.mono.small.nowrap", each.name.toLowerCase()) },
    { title: "Value", cell: (each) => h("span.mono.small.break", each.value) },
  ] })));
}
