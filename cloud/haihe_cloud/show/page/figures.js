// Numbers as a dispatcher reads them: two digits for levels, a sign on margins, a proper minus.

import { t, named, word } from "./words.js";

let facts = { elements: {}, flags: {}, grades: {}, reasons: {} };

/** Learn the words for elements and quality from the centre. */
export function learnFacts(page) {
  facts = page;
}

/** A number with so many digits. */
export function fixed(value, digits = 2) {
  if (value === null || value === undefined) return "—";
  const text = value.toFixed(digits);
  return Number(text) < 0 ? text.replace("-", "−") : text.replace("-", "");
}

/** A count with separators. */
export function count(n) {
  return n.toLocaleString("en-US");
}

/** How far over or below its limits: {text, short, over}. */
export function margin(level) {
  if (!level || level.value === null) return null;
  if (level.guarantee !== null && level.value >= level.guarantee) {
    const m = fixed(level.value - level.guarantee);
    return { text: t("over_guarantee", { m: `+${m}` }), short: t("over_guarantee_short", { m }), over: 2 };
  }
  if (level.warning === null) return { text: t("no_limits"), short: t("no_limits_short"), over: 0 };
  if (level.value >= level.warning) {
    const m = fixed(level.value - level.warning);
    return { text: t("over_warning", { m: `+${m}` }), short: t("over_short", { m }), over: 1 };
  }
  const m = fixed(level.warning - level.value);
  return { text: t("to_warning", { m }), short: t("to_short", { m }), over: 0 };
}

const ARROWS = { rising: "↑", falling: "↓", steady: "→", "": "" };

/** Arrow, word and speed of the water. */
export function tendency(level) {
  if (!level || !level.trend) return null;
  const cm = Math.round(level.trend_m_per_h * 100);
  const speed = level.trend === "steady" ? "" : t("per_hour", { cm: cm > 0 ? `+${cm}` : `−${-cm}` });
  return { arrow: ARROWS[level.trend], name: t(level.trend), speed };
}

/** Name of the element of a series, with its point where that is not the main one. */
export function seriesName(value) {
  const element = named(facts.elements[value.element], value.element);
  const point = word(`point_${value.point}`, value.point);
  const parts = [point, element].filter(Boolean);
  return parts.join(/^[\x20-\x7e]*$/.test(parts.join("")) ? " " : "");
}

/** Words for the flag and its reasons. */
export function qualityText(value) {
  const flag = named(facts.flags[value.flag], String(value.flag));
  const reasons = Object.keys(facts.reasons).filter((bit) => (value.reasons & Number(bit)) !== 0).map((bit) => named(facts.reasons[bit]));
  return reasons.length ? `${flag}: ${reasons.join(", ")}` : flag;
}

/** Words for the clock grade. */
export function gradeText(value) {
  return named(facts.grades[value.grade], String(value.grade));
}
