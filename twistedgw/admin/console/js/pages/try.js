// Try it: a request made from the descriptors, sent through the gateway.

import { get, listAll } from "../api.js";
import { button, fill, h, icon } from "../dom.js";
import { combo } from "../combo.js";
import { curl } from "../compose.js";
import { Exchange } from "../exchange.js";
import { field } from "../form.js";
import { empty, page, path, verb } from "../page.js";
import { RequestForm } from "../request-form.js";
import { href, remember } from "../router.js";
import { say, warn } from "../toast.js";

export default async function tryIt({ query, signal }) {
  const self = new TryPage(signal);
  const route = await find(query, signal);
  if (route) await self.choose(route, false);
  else self.offer();
  return self.node;
}

async function find({ service, environment, method, path: template, plugin, rpc }, signal) {
  if (!template && !rpc) return null;
  const list = await listAll("/routes", "routes", { service, environment, plugin, filter: template ?? rpc }, signal);
  const fits = (each) => (template ? each.path === template && each.method === method : each.rpc === rpc);
  return list.find((each) => fits(each) && each.kind !== "default") ?? list.find(fits) ?? null;
}

class TryPage {
  constructor(signal) {
    this.signal = signal;
    this.combo = combo({
      value: "",
      placeholder: "Find a route by method, path, RPC or service",
      find: async (text) => (await get("/routes", { filter: text, page_size: 40 })).routes ?? [],
      draw: (each) => [verb(each.method), h("span.path", each.path), h("span.small.soft.break", `${each.service} · ${each.environment} · ${each.rpc || each.backend}`)],
      text: (each) => `${each.method} ${each.path}`,
      take: (each) => this.choose(each, true).catch(warn),
    });
    this.head = h("div");
    this.left = h("div.exchange");
    this.right = h("section.exchange", { "aria-label": "Answer" });
    this.node = page({ title: "Try it", lead: "A request goes through the gateway’s own front door, as a client’s would." },
      h("div.stack-large", field({ label: "Route", control: this.combo.input }).node, this.head, h("div.columns", this.left, this.right)));
    this.combo.input.replaceWith(this.combo.node);
    this.combo.node.prepend(this.combo.input);
  }

  offer() {
    fill(this.head, h("div.panel", empty("send", "Choose a route", "Then fill in its request, by a form or as JSON. Streams are shown as they come.")));
  }

  async choose(route, write) {
    this.exchange?.stop();
    this.route = route;
    this.combo.input.value = `${route.method} ${route.path}`;
    if (write) remember("/try", { service: route.service, environment: route.environment, method: route.method, path: route.path });
    const [method, schema] = route.methodName
      ? await Promise.all([get(`/${encodeURI(route.methodName)}`, {}, this.signal), get(`/plugins/${encodeURIComponent(route.plugin)}/schema`, { include_imports: "true" }, this.signal)])
      : [null, {}];
    this.form = new RequestForm(route, method, schema, () => this.preview());
    this.exchange = new Exchange();
    this.send = button("Send", () => this.run(), { icon: "send", kind: "primary" });
    this.line = h("div.request-line");
    fill(this.head, h("div.row-wide", verb(route.method), path(route.path), h("span.small.soft.break", `${route.service} · ${route.environment} · ${route.rpc || route.backend}`),
      route.kind === "unbound" && h("span.badge.bad", "no plugin is bound")));
    fill(this.left, this.form.node, this.line, h("div.row", this.send, button("Copy as curl", () => this.copy(), { icon: "copy", kind: "quiet" }), this.explain = h("a.button.quiet", icon("explain"), "Explain")),
      h("p.small.soft", h("kbd", "Ctrl"), " ", h("kbd", "Enter"), " sends"));
    fill(this.right, this.exchange.node);
    this.left.onkeydown = (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.run();
    };
    this.preview();
  }

  preview() {
    const request = this.form.request();
    fill(this.line, verb(request.method), path(request.path), request.missing.length ? h("span.small.soft", `needs ${request.missing.join(", ")}`) : null, request.lost.length ? h("span.small.warn", `no query can have ${request.lost.join(", ")}`) : null);
    const host = this.route.hosts?.[0]?.replace(/^\*/, "www");
    this.explain.setAttribute("href", href("/explain", { method: request.method, url: `${host ? `http://${host}` : ""}${request.path}`, body: request.body }));
  }

  async run() {
    const request = this.form.request();
    if (request.missing.length || request.fault) {
      this.form.complain(request);
      return;
    }
    const stop = button("Stop", () => this.exchange.stop(), { icon: "stop", kind: "compact" });
    this.send.disabled = true;
    await this.exchange.run({ method: request.method, path: request.path, service: this.route.service, headers: request.headers, body: request.body, timeout: this.route.serverStreaming ? "600s" : "60s" }, stop, this.signal);
    this.send.disabled = false;
    if (!this.left.contains(document.activeElement)) this.send.focus();
  }

  async copy() {
    try {
      const status = await get("/status");
      const request = this.form.request();
      const base = status.listeners?.find((each) => !each.tls)?.url ?? status.listeners?.[0]?.url ?? "http://localhost";
      const host = this.route.hosts?.[0]?.replace(/^\*/, "www");
      const headers = [...(host ? [{ name: "Host", value: host }] : []), ...request.headers];
      await navigator.clipboard.writeText(curl({ method: request.method, url: `${base.replace(/\/$/, "")}${request.path}`, headers, body: request.body }));
      say("The command is copied");
    } catch (error) {
      warn(error);
    }
  }
}
