// Source text: coloured, with line numbers, with what is wrong marked at its line; to read, and to write.

import { fill, h } from "./dom.js";

const LARGEST = 150_000;
const PROTO = /(\/\/.*$|\/\*.*?\*\/)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\b(syntax|edition|package|import|public|weak|option|message|enum|service|rpc|returns|stream|repeated|optional|required|oneof|map|reserved|extensions|extend|to|max|group|true|false)\b|\b(double|float|u?int(?:32|64)|sint(?:32|64)|s?fixed(?:32|64)|bool|string|bytes|google\.[\w.]+)\b|\b(\d[\w.]*)\b/g;
const PROTO_KINDS = ["t-note", "t-text", "t-word", "t-type", "t-num"];
const JSON_TEXT = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\b\d[\d.eE+-]*\b)/g;

/** Gives the coloured parts of a line of a `.proto`. */
export function protoLine(text) {
  if (/^\s*(\*|\/\*)/.test(text)) return [h("span.t-note", text)];
  return coloured(text, PROTO, (match) => PROTO_KINDS[match.slice(1).findIndex((group) => group !== undefined)]);
}

function coloured(text, pattern, kindOf) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(text.slice(last, match.index), h("span", { class: kindOf(match) ?? "" }, match[0]));
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return parts.filter((part) => part !== "");
}

/** Shows JSON, coloured; text that is no JSON as it is. */
export function json(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  if (text.length > LARGEST) return text;
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(JSON_TEXT)) {
    parts.push(text.slice(last, match.index));
    const [all, word, colon, literal, number] = match;
    if (word && colon) parts.push(h("span.t-key", word), colon);
    else parts.push(h("span", { class: word ? "t-text" : literal ? "t-word" : number ? "t-num" : "" }, all));
    last = match.index + all.length;
  }
  parts.push(text.slice(last));
  return parts;
}

/**
 * Shows source with line numbers.
 * @param {string} text
 * @param {object} [options]
 * @param {Array<{line: number, message: string}>} [options.problems]
 * @param {number} [options.line] the one that is looked for.
 */
export function viewer(text, { problems = [], line = 0, label = "Source" } = {}) {
  const rows = text.replace(/\n$/, "").split("\n");
  const colour = text.length <= LARGEST ? protoLine : (row) => [row];
  const cells = rows.flatMap((row, index) => {
    const wrong = problems.filter((problem) => problem.line === index + 1);
    const kind = wrong.length ? "wrong" : line === index + 1 ? "on" : "";
    return [h("span.no", { class: kind, "aria-hidden": "true" }, String(index + 1)), h("span.text", { class: kind, data: { line: String(index + 1) } }, colour(row), row === "" && "\u200b"),
      ...wrong.map((problem) => h("span.said", problem.message))];
  });
  const node = h("div.code", { tabindex: "0", role: "region", "aria-label": label }, h("div.lines", cells));
  if (line) requestAnimationFrame(() => showLine(node, line));
  return node;
}

function showLine(node, line) {
  const row = node.querySelector(`[data-line="${line}"]`);
  if (row) node.scrollTop = Math.max(0, row.offsetTop - node.clientHeight / 3);
}

/**
 * Makes an editor of source.
 * @param {object} options
 * @param {string} options.text
 * @param {string} options.label
 * @param {function} options.onChange gets the text.
 * @returns {{node: HTMLElement, input: HTMLTextAreaElement, mark: function, reveal: function}}
 */
export function editor({ text, label, onChange, rows = "" }) {
  const gutter = h("div.gutter", { "aria-hidden": "true" });
  const paint = h("pre", { "aria-hidden": "true" });
  const input = h("textarea", { value: text, "aria-label": label, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off" });
  const node = h("div.code.editor", { class: rows }, gutter, h("div.sheet", paint, input));
  let problems = [];
  const draw = () => {
    const lines = input.value.split("\n");
    const colour = input.value.length <= LARGEST ? protoLine : (row) => [row];
    const wrong = new Map(problems.map((problem) => [problem.line, problem]));
    fill(gutter, lines.map((_, index) => h("div", { class: wrong.has(index + 1) ? "wrong" : "" }, String(index + 1))));
    fill(paint, lines.map((row, index) => {
      const problem = wrong.get(index + 1);
      return [problem ? h("span.wrong", marked(row, problem.column)) : colour(row), "\n"];
    }));
  };
  input.addEventListener("input", () => {
    problems = [];
    draw();
    onChange(input.value);
  });
  draw();
  return {
    node,
    input,
    mark(found) {
      problems = found;
      draw();
      if (found.length) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
    reveal(line, column = 1) {
      const before = input.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
      input.focus({ preventScroll: true });
      input.setSelectionRange(before + column - 1, before + column - 1);
      const height = input.offsetHeight / Math.max(1, input.value.split("\n").length);
      node.scrollTop = Math.max(0, height * (line - 4));
      node.scrollIntoView({ block: "nearest" });
    },
  };
}

function marked(row, column) {
  if (!column || column > row.length) return [...(row === "" ? ["\u200b"] : []), ...protoLine(row), h("span.at", " ")];
  const rest = row.slice(column - 1);
  const word = /^(\w+|.)/.exec(rest)?.[0] ?? rest;
  return [row.slice(0, column - 1), h("span.at", word), rest.slice(word.length)];
}
