// The list of stations: worst first, one row each, rows kept and moved so that nothing jumps without reason.

import { el, put } from "./dom.js";
import { count, fixed, margin, tendency } from "./figures.js";
import { chip, rank, sign, stateName } from "./marks.js";
import { ageNode } from "./time.js";
import { lang, stationName, t } from "./words.js";

function order(a, b) {
  const gap = (row) => (row.level && row.level.warning !== null ? row.level.warning - row.level.value : Infinity);
  return rank(a.state) - rank(b.state) || gap(a) - gap(b) || (a.code < b.code ? -1 : 1);
}

/** Build the list once; returns its painters. */
export function list(node, on) {
  const search = el("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: () => repaint() });
  const rows = el("ol", { class: "rows" });
  const nothing = el("p", { class: "nothing", hidden: true });
  const unknown = el("p", { class: "unknown", hidden: true });
  const problem = el("p", { class: "unknown", hidden: true });
  const total = el("span", { class: "total" });
  node.append(
    el("div", { class: "list-head" }, el("h2", { id: "list-title" }, t("stations")), total, search),
    unknown, problem, rows, nothing,
  );
  const kept = new Map();
  let stations = [], chosenState = null, chosen = null;

  function row(code) {
    const held = kept.get(code);
    if (held) return held;
    const button = el("button", { type: "button", class: "row", "data-code": code, onclick: () => on.choose(code) });
    const item = el("li", {}, button);
    kept.set(code, { item, button });
    return kept.get(code);
  }

  function repaint() {
    const wanted = search.value.trim().toLowerCase();
    const shown = stations.filter((each) =>
      (!chosenState || each.state === chosenState || each.also.includes(chosenState)) &&
      (!wanted || [each.code, each.name_zh, each.name_en, each.river, each.district].join(" ").toLowerCase().includes(wanted)));
    shown.sort(order);
    shown.forEach((station, at) => {
      const { item, button } = row(station.code);
      paint(button, station);
      button.classList.toggle("chosen", station.code === chosen);
      button.setAttribute("aria-current", String(station.code === chosen));
      if (rows.children[at] !== item) rows.insertBefore(item, rows.children[at] || null);
    });
    while (rows.children.length > shown.length) rows.lastChild.remove();
    total.textContent = shown.length === stations.length ? String(stations.length) : `${shown.length} / ${stations.length}`;
    nothing.hidden = shown.length > 0;
    nothing.textContent = stations.length ? t("none_match") : t("no_stations");
  }

  return {
    show(all, state, code) {
      [stations, chosenState, chosen] = [all, state, code];
      repaint();
    },
    unknown(found) {
      unknown.hidden = found.length === 0;
      unknown.textContent = t("unknown_stations", { list: found.slice(0, 5).map((each) => each.code).join(", ") + (found.length > 5 ? " …" : "") });
    },
    problems(found) {
      problem.hidden = found.length === 0;
      problem.textContent = found.slice(0, 3).map((each) => `${each.station}: ${each[lang]}`).join(" · ") + (found.length > 3 ? ` … (${found.length})` : "");
    },
    first: () => [...stations].sort(order)[0],
  };
}

function paint(button, station) {
  const level = station.level;
  const gap = margin(level);
  const way = tendency(level);
  const old = level && [station.state, ...station.also].some((state) => ["silent", "late", "no_value"].includes(state));
  button.className = `row ${station.state}`;
  put(button,
    el("span", { class: "r-state" }, sign(station.state, 26), el("span", {}, stateName(station.state))),
    el("span", { class: "r-name" },
      el("b", {}, stationName(station)),
      el("small", {}, [station.river, station.code].filter(Boolean).join(" · ")),
      station.also.length || station.waiting ? el("span", { class: "r-also" }, station.also.map((state) => chip(state, 14)),
        station.waiting ? el("span", { class: "wait" }, t("waiting_short", { n: count(station.waiting) })) : null) : null),
    level
      ? el("span", { class: `r-level ${old ? "old" : ""}` },
        el("span", {}, el("b", {}, fixed(level.value)), el("small", {}, " m"), way ? el("span", { class: `arrow ${level.trend}`, title: `${way.name} ${way.speed}` }, way.arrow) : null),
        el("span", { class: `gap over${gap.over}` }, gap.short))
      : el("span", { class: "r-level none" }, t("no_level")),
    el("span", { class: "r-age" },
      level ? ageNode(level.time_ms ?? level.received_ms ?? 0) : station.last_heard_ms ? ageNode(station.last_heard_ms) : ""));
}
