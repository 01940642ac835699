// The admin API: requests, their errors, uploads with progress, and answers that come line by line.

import { askToken, actor, token } from "./session.js";

const TYPE = "type.googleapis.com/";

/** What the API said no with; everything a form needs to say it in the right place. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || statusText(status));
    this.status = status;
    this.code = body?.code ?? 0;
    const details = Array.isArray(body?.details) ? body.details : [];
    const detail = (name) => details.find((each) => each["@type"] === TYPE + name) ?? {};
    const info = detail("google.rpc.ErrorInfo");
    this.reason = info.reason ?? "";
    this.metadata = info.metadata ?? {};
    this.fields = detail("google.rpc.BadRequest").fieldViolations ?? [];
    this.problems = detail("twistedgw.admin.v1.Problems").problems ?? [];
    this.users = detail("google.rpc.PreconditionFailure").violations ?? [];
    const report = details.find((each) => each["@type"] === `${TYPE}twistedgw.admin.v1.CompatibilityReport`);
    this.report = report ?? null;
  }
}

function statusText(status) {
  if (status === 0) return "The gateway cannot be reached. Is it running?";
  if (status === 413) return "That is larger than the gateway takes in one request.";
  return `The gateway answered with HTTP status ${status}.`;
}

/** Makes a path with a query; lists repeat the name, null and "" leave it out. */
export function url(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "" && each !== false) search.append(name, each);
    }
  }
  const text = search.toString();
  return `/v1${path}${text ? `?${text}` : ""}`;
}

/** Makes a resource name ready for a path: `plugins/a b` becomes `plugins/a%20b`. */
export function segments(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}

function headers(more) {
  const found = { Authorization: `Bearer ${token()}`, ...more };
  if (actor()) found["X-Actor"] = actor().replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
  return found;
}

async function open(method, target, { body, accept = "application/json", signal } = {}) {
  if (!token()) await askToken("");
  for (;;) {
    let answer;
    try {
      const more = { Accept: accept, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
      answer = await fetch(target, { method, headers: headers(more), body: body && JSON.stringify(body), signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, null);
    }
    if (answer.ok) return answer;
    const error = new ApiError(answer.status, await answer.json().catch(() => null));
    if (!isForToken(error)) throw error;
    await askToken(error.message);
  }
}

function isForToken(error) {
  return error.status === 401 || (error.status === 429 && error.reason.startsWith("TOKEN")) || error.reason === "TOO_MANY_ATTEMPTS";
}

/** Sends a request, and gives the JSON of its answer. Throws ApiError; asks for the token where it is missing or wrong. */
export async function call(method, path, { query, ...options } = {}) {
  const answer = await open(method, url(path, query), options);
  return answer.json();
}

export const get = (path, query, signal) => call("GET", path, { query, signal });
export const post = (path, body, query) => call("POST", path, { body, query });
export const patch = (path, body, query) => call("PATCH", path, { body, query });
export const remove = (path, query) => call("DELETE", path, { query });

/** Gives an answer's bytes as a Blob. */
export async function download(path, query) {
  return (await open("GET", url(path, query), { accept: "*/*" })).blob();
}

/** Gives all objects of a list, page by page. `key` is their name in the answer. */
export async function listAll(path, key, query = {}, signal) {
  const found = [];
  let page = "";
  do {
    const answer = await get(path, { page_size: 1000, ...query, page_token: page }, signal);
    found.push(...(answer[key] ?? []));
    page = answer.nextPageToken ?? "";
  } while (page);
  return found;
}

/** Sends a body with a report of how far it is: `onProgress(fraction)`. JSON, or FormData. */
export async function send(method, path, body, { query, onProgress } = {}) {
  if (!token()) await askToken("");
  for (;;) {
    const { status, json } = await transfer(method, url(path, query), body, onProgress);
    if (status >= 200 && status < 300) return json ?? {};
    const error = new ApiError(status, json);
    if (!isForToken(error)) throw error;
    await askToken(error.message);
  }
}

function transfer(method, target, body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, target);
    const json = body instanceof FormData ? {} : { "Content-Type": "application/json" };
    for (const [name, value] of Object.entries(headers(json))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
    request.onload = () => resolve({ status: request.status, json: parsed(request.responseText) });
    request.onerror = () => resolve({ status: 0, json: null });
    request.onabort = request.onerror;
    request.send(body instanceof FormData ? body : JSON.stringify(body));
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Sends a request, and gives each line of its answer as it comes, parsed. */
export async function* lines(path, body, signal) {
  const answer = await open("POST", url(path), { body, accept: "application/x-ndjson", signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const parts = rest.split("\n");
    rest = parts.pop();
    for (const part of parts) if (part.trim()) yield checked(JSON.parse(part));
    if (done) break;
  }
  if (rest.trim()) yield checked(JSON.parse(rest));
}

function checked(event) {
  if (event.error) throw new ApiError(200, event.error);
  return event;
}
