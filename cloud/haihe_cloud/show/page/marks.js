// The sign of each state: a colour, a shape and a word, so that none of them has to be told by colour alone.

import { svg, el } from "./dom.js";
import { named } from "./words.js";

export const ORDER = ["above_guarantee", "above_warning", "silent", "no_value", "late", "time_unknown", "unverified", "never_heard", "normal"];

const SHAPES = {
  above_guarantee: () => [svg("path", { d: "M12 1 23 21H1Z" }), svg("path", { class: "on", d: "M10.6 8h2.8l-.5 7h-1.8ZM10.7 16.6h2.6v2.4h-2.6Z" })],
  above_warning: () => [svg("path", { d: "M12 2 22 20H2Z" })],
  silent: () => [svg("rect", { x: 2, y: 2, width: 20, height: 20, rx: 3 }), svg("path", { class: "line", d: "M7 7 17 17M17 7 7 17" })],
  no_value: () => [svg("rect", { x: 3, y: 3, width: 18, height: 18, rx: 2, class: "hollow" }), svg("path", { class: "edge", d: "M7 12H17" })],
  late: () => [svg("circle", { cx: 12, cy: 12, r: 10 }), svg("path", { class: "line", d: "M12 6V12.5L16 15" })],
  time_unknown: () => [svg("path", { d: "M12 1.5 22.5 12 12 22.5 1.5 12Z", class: "hollow" }), svg("path", { class: "edge", d: "M12 7V12.5L15 14.5" })],
  unverified: () => [svg("path", { d: "M12 1.5 22.5 12 12 22.5 1.5 12Z" }), svg("path", { class: "on", d: "M10.6 6.5h2.8l-.5 7h-1.8ZM10.7 15h2.6v2.4h-2.6Z" })],
  never_heard: () => [svg("circle", { cx: 12, cy: 12, r: 9, class: "hollow dashed" })],
  normal: () => [svg("circle", { cx: 12, cy: 12, r: 8 })],
};

let names = {};

/** Learn the words for the states. */
export function learnNames(conditions) {
  names = conditions;
}

/** The word for a state. */
export function stateName(state) {
  return named(names[state], state);
}

/** The sign alone. */
export function sign(state, size = 24) {
  const shape = SHAPES[state] || SHAPES.normal;
  return svg("svg", { class: `sign ${state}`, viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" }, ...shape());
}

/** Sign and word. */
export function chip(state, size = 18) {
  return el("span", { class: `chip ${state}` }, sign(state, size), stateName(state));
}

/** How bad, 0 the worst. */
export function rank(state) {
  const at = ORDER.indexOf(state);
  return at < 0 ? ORDER.length : at;
}
