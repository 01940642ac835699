// A box to type into that offers what fits; arrows choose, Enter takes, Escape closes.

import { fill, h, uid } from "./dom.js";

/**
 * Makes the box.
 * @param {object} options
 * @param {string} options.value
 * @param {function} options.find gets the text; gives choices (a promise).
 * @param {function} options.draw gives the nodes of a choice.
 * @param {function} options.take gets the choice.
 * @param {function} options.text gives what stands in the box for a choice.
 */
export function combo({ value, placeholder, find, draw, take, text }) {
  const id = uid("combo");
  const input = h("input.input", { type: "text", value, placeholder, role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id });
  const list = h("ul.combo-list", { id, role: "listbox", "aria-label": "Choices", hidden: true });
  let choices = [];
  let at = -1;
  let turn = 0;
  let held = value;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    at = index;
    [...list.children].forEach((each, number) => each.setAttribute("aria-selected", String(number === at)));
    const node = list.children[at];
    if (!node) return;
    input.setAttribute("aria-activedescendant", node.id);
    node.scrollIntoView({ block: "nearest" });
  };
  const choose = (index) => {
    const choice = choices[index];
    if (!choice) return;
    held = text(choice);
    input.value = held;
    close();
    take(choice);
  };
  const open = async (words) => {
    const mine = ++turn;
    const found = await find(words).catch(() => []);
    if (mine !== turn || document.activeElement !== input) return;
    choices = found;
    fill(list, found.length
      ? found.map((choice, index) => h("li", { id: `${id}-${index}`, role: "option", "aria-selected": "false", on: { mousedown: (event) => { event.preventDefault(); choose(index); }, mousemove: () => at !== index && mark(index) } }, draw(choice)))
      : h("li.none", "Nothing fits"));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(found.length ? 0 : -1);
  };
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => open(input.value), 120);
  });
  input.addEventListener("focus", () => {
    input.select();
    open("");
  });
  input.addEventListener("blur", () => {
    turn += 1;
    input.value = held;
    close();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open("");
      else mark((at + (event.key === "ArrowDown" ? 1 : -1) + choices.length) % Math.max(1, choices.length));
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      choose(at);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  return { node: h("div.combo", input, list), input };
}
