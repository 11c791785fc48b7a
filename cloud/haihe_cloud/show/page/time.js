// Time as Beijing writes it, whatever zone the browser thinks it is in, and by the centre's clock.

import { el } from "./dom.js";
import { t } from "./words.js";

const OFFSET_MS = 8 * 3600000;
let ahead = 0; // centre's clock minus ours

/** Learn the centre's clock from any answer that carries it. */
export function learn(nowMs) {
  if (Number.isFinite(nowMs)) ahead = nowMs - Date.now();
}

/** The centre's time now, in milliseconds UTC. */
export function now() {
  return Date.now() + ahead;
}

const two = (n) => String(n).padStart(2, "0");

/** The parts of a moment in Beijing. */
export function parts(ms) {
  const d = new Date(ms + OFFSET_MS);
  return {
    year: d.getUTCFullYear(), month: two(d.getUTCMonth() + 1), day: two(d.getUTCDate()),
    hour: two(d.getUTCHours()), minute: two(d.getUTCMinutes()), second: two(d.getUTCSeconds()),
  };
}

/** 08:15:30, with the date in front where it is not today's. */
export function clock(ms, seconds = true) {
  const p = parts(ms), today = parts(now());
  const time = `${p.hour}:${p.minute}${seconds ? `:${p.second}` : ""}`;
  const same = p.day === today.day && p.month === today.month && p.year === today.year;
  return same ? time : `${p.month}-${p.day} ${time}`;
}

/** 2026-08-01 08:15:30. */
export function stamp(ms) {
  const p = parts(ms);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

/** How long ago in the unit that a person would say: 8 s, 12 min, 3 h, 2 d. */
export function age(ms) {
  const s = Math.round((now() - ms) / 1000);
  if (s < -5) return t("ahead", { span: span(-s) });
  return span(Math.max(0, s));
}

/** A span of seconds in one unit. */
export function span(s) {
  if (s < 120) return t("span_s", { n: s });
  if (s < 7200) return t("span_min", { n: Math.floor(s / 60) });
  if (s < 172800) return t("span_h", { n: Math.floor(s / 3600) });
  return t("span_d", { n: Math.floor(s / 86400) });
}

/** A Date whose UTC fields read as Beijing time, for the axis of a chart. */
export function beijingDate(seconds) {
  return new Date(seconds * 1000 + OFFSET_MS + new Date(seconds * 1000).getTimezoneOffset() * 60000);
}

/** An age that goes on by itself: tick() keeps all of them true. */
export function ageNode(ms, sentence = "") {
  const text = sentence ? t(sentence, { age: age(ms) }) : age(ms);
  return el("time", { class: "age", "data-since": ms, "data-sentence": sentence, title: stamp(ms) }, text);
}

/** Once a second: every age on the page. */
export function tick() {
  for (const node of document.querySelectorAll("time[data-since]")) {
    const text = age(Number(node.dataset.since));
    const whole = node.dataset.sentence ? t(node.dataset.sentence, { age: text }) : text;
    if (node.textContent !== whole) node.textContent = whole;
  }
}
