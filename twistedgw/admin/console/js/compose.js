// Makes an HTTP request out of a message, by the rule of its route: path variables, query, body.

import { isAnything, isLeafType } from "./message-form.js";

const VARIABLE = /\{([^}=]+)(?:=([^}]*))?\}/g;

/** Gives the names of a template's variables. */
export const variables = (template) => [...template.matchAll(VARIABLE)].map((match) => match[1]);

/**
 * Makes the request.
 * @param {{path: string, body: string}} rule of the route.
 * @param {object} message in ProtoJSON.
 * @param {string} type its full name.
 * @param {Map} types by full name.
 * @returns {{path: string, body: string, missing: string[], lost: string[]}} `missing` are variables without a value,
 *   `lost` fields that no query can have.
 */
export function compose(rule, message, type, types) {
  const rest = structuredClone(message);
  const missing = [];
  const path = rule.path.replace(VARIABLE, (whole, name, pattern = "*") => {
    const value = take(rest, name.split("."), type, types);
    if (value === undefined || value === "") {
      missing.push(name);
      return whole;
    }
    const text = String(value);
    return pattern === "*" ? encodeURIComponent(text) : text.split("/").map(encodeURIComponent).join("/");
  });
  if (rule.body === "*") return { path, body: JSON.stringify(rest), missing, lost: [] };
  let body = "";
  if (rule.body) {
    const value = take(rest, [rule.body], type, types);
    body = value === undefined ? "" : JSON.stringify(value);
  }
  const lost = [];
  const query = [...flattened(rest, type, types, "", lost)].map(([name, value]) => `${encodeURIComponent(name).replace(/%5B/g, "[").replace(/%5D/g, "]")}=${encodeURIComponent(value)}`);
  return { path: query.length ? `${path}?${query.join("&")}` : path, body, missing, lost };
}

/** Takes a field out of a message by its proto path; messages that are empty then go too. */
function take(object, names, type, types) {
  const field = types.get(type)?.fields?.find((each) => each.name === names[0]);
  const key = field?.jsonName ?? names[0];
  if (object === null || typeof object !== "object" || object[key] === undefined) return undefined;
  if (names.length === 1) {
    const value = object[key];
    delete object[key];
    return value;
  }
  const value = take(object[key], names.slice(1), field?.typeName ?? "", types);
  if (object[key] && typeof object[key] === "object" && Object.keys(object[key]).length === 0) delete object[key];
  return value;
}

function* flattened(object, type, types, prefix, lost) {
  const fields = types.get(type)?.fields ?? [];
  for (const [key, value] of Object.entries(object)) {
    const field = fields.find((each) => each.jsonName === key || each.name === key);
    const name = prefix + key;
    if (field?.kind === "map") {
      if (field.valueKind === "message") lost.push(name);
      else for (const [at, each] of Object.entries(value)) yield [`${name}[${at}]`, each];
    } else if (field?.repeated) {
      for (const each of value) {
        if (each !== null && typeof each === "object") lost.push(name);
        else yield [name, each];
      }
    } else if (field?.typeName && isAnything(field.typeName)) yield [name, JSON.stringify(value)];
    else if (value !== null && typeof value === "object" && !(field?.typeName && isLeafType(field.typeName))) yield* flattened(value, field?.typeName ?? "", types, `${name}.`, lost);
    else if (value !== "" && value !== null) yield [name, value];
  }
}

/** Gives the command that sends the same. */
export function curl({ method, url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), quoted(url), ...headers.flatMap(({ name, value }) => ["-H", quoted(`${name}: ${value}`)]), ...(body ? ["-d", quoted(body)] : [])];
  return parts.join(" ");
}
