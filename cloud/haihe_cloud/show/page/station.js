// One station: how high is the water, can it be believed, what does the curve say, what is still at the station.

import { get } from "./centre.js";
import { hydrograph } from "./chart.js";
import { el, put } from "./dom.js";
import { count, fixed, gradeText, margin, qualityText, seriesName, tendency } from "./figures.js";
import { chip } from "./marks.js";
import { ageNode, clock, now, span } from "./time.js";
import { datumName, stationName, t, word } from "./words.js";

const HOUR = 3600000;
const RANGES = { "10min": [HOUR / 6, "60"], "1h": [HOUR, "300"], "6h": [6 * HOUR, "300"], "24h": [24 * HOUR, "3600"], "7d": [168 * HOUR, "day"] };

/** Build the panel once; returns its painters. */
export function stationPanel(node, on) {
  let code = null, detail = null, rain = null, range = "24h", chosen = false, series = null, drawn = 0, loaded = 0, busy = null;
  const head = el("div", { class: "s-head" });
  const now_ = el("div", { class: "s-now" });
  const readout = el("output", { class: "readout" });
  const note = el("p", { class: "chart-note", hidden: true });
  const canvas = el("div", { class: "canvas", title: t("break_point") });
  const ranges = el("div", { class: "ranges", role: "group" });
  const below = el("div", { class: "s-below" });
  const back = el("button", { type: "button", class: "back", onclick: on.back }, `‹ ${t("back")}`);
  const empty = el("p", { class: "nothing" }, t("pick"));
  const body = el("div", { class: "s-body", hidden: true },
    el("div", { class: "s-top" }, back, head),
    now_,
    el("div", { class: "s-chart" }, el("div", { class: "chart-head" }, ranges, readout), el("div", { class: "canvas-box" }, canvas, note)),
    below);
  node.append(empty, body);
  const chart = hydrograph(canvas, (text) => { readout.textContent = text || legend(); });
  for (const name of Object.keys(RANGES)) {
    ranges.append(el("button", { type: "button", "data-range": name, onclick: () => { range = name; chosen = true; draw(true); } }, t(`range_${name}`)));
  }
  below.addEventListener("click", (event) => {
    const pick = event.target.closest("[data-series]");
    if (pick) { series = pick.dataset.series; draw(true); paint(); canvas.scrollIntoView({ block: "nearest" }); }
  });

  function limitsOf(key) {
    const found = detail.limits.find((each) => each.series === key);
    if (!found) return [];
    return ["warning", "guarantee"].filter((kind) => found[kind] !== null).map((kind) => ({ kind, value: found[kind] }));
  }

  function legend() {
    const value = detail?.series.find((each) => each.series === series);
    if (!value) return "";
    const rain = hasRain() ? ` · ${t(`rain_${{ 60: 60, 300: 300, 3600: 3600, day: 86400 }[RANGES[range][1]]}`)}` : "";
    return `${seriesName(value)} ${value.unit}${rain}`;
  }

  const hasRain = () => detail.series.some((each) => each.element === "accumulated_rain");

  async function load(quiet = false) {
    const wanted = code;
    try {
      const found = await get(`stations/${wanted}`);
      if (wanted !== code) return;
      if (!rain || rain.code !== wanted || Date.now() - rain.at > 30000) rain = await rainNow(wanted, found);
      if (wanted !== code) return;
      detail = found;
      loaded = Date.now();
      if (!series || !detail.series.some((each) => each.series === series)) series = detail.station.level?.series || detail.series[0]?.series || null;
      paint();
      await draw(!quiet);
    } catch (fault) {
      if (wanted === code && !quiet) { empty.hidden = false; body.hidden = true; empty.textContent = t("load_failed", { what: fault.message }); }
    }
  }

  async function draw(force) {
    for (const button of ranges.children) button.setAttribute("aria-pressed", String(button.dataset.range === range));
    const [length, bucket] = RANGES[range];
    // A short span is worth looking at often; a long one hardly changes and costs the centre more.
    if (!force && Date.now() - drawn < (length > 6 * HOUR ? 30000 : 4000)) return;
    if (!series) { chart.clear(); say(t("no_readings")); return; }
    drawn = Date.now();
    busy?.abort();
    const asked = new AbortController();
    busy = asked;
    const end = Math.ceil(now() / 1000) * 1000, start = end - length;
    try {
      const [readings, rain] = await Promise.all([
        get(`stations/${code}/readings`, { series, start, end, points: 900 }, asked.signal),
        hasRain() ? get(`stations/${code}/rain`, { bucket, start, end }, asked.signal) : { buckets: [] },
      ]);
      if (asked.signal.aborted) return;
      const shorter = chosen ? range : fitting(end - (readings.time_ms[0] ?? start));
      if (shorter !== range) { range = shorter; return await draw(true); }
      say(readings.time_ms.length ? (readings.complete ? "" : t("incomplete")) : t("no_readings"));
      chart.set({ readings, rain: rain.buckets, limits: limitsOf(series), start, end });
      readout.textContent = legend();
    } catch (fault) {
      if (fault.name !== "AbortError") say(t("chart_failed", { what: fault.message }));
    }
  }

  /** A station that has just begun fills its chart: the shortest span that holds all it has, at most a day. */
  function fitting(age) {
    return Object.keys(RANGES).find((name) => name === "24h" || age < RANGES[name][0] * 0.9);
  }

  function say(text) {
    note.hidden = !text;
    note.textContent = text;
  }

  function paint() {
    empty.hidden = true;
    body.hidden = false;
    const station = detail.station;
    put(head, el("h2", { id: "station-title" }, stationName(station)), el("span", { class: "s-where" }, [station.river, station.district, station.code].filter(Boolean).join(" · ")),
      el("span", { class: "s-chips" }, [station.state, ...station.also].map((state) => chip(state, 20))));
    put(now_, nowCard(station, rain));
    put(below, elementsTable(detail, series), linkCard(detail), eventsCard(detail));
  }

  return {
    show(wanted) {
      if (wanted === code) return;
      code = wanted;
      detail = series = null;
      drawn = 0;
      if (!chosen) range = "24h";
      chart.clear();
      if (code) load();
      else { empty.hidden = false; body.hidden = true; empty.textContent = t("pick"); }
    },
    /** News of this station: the big figure at once, the rest not more often than it is worth. */
    news(summary) {
      if (!detail || summary.code !== code) return;
      detail.station = summary;
      paint();
      if (Date.now() - loaded > 2500) load(true);
    },
    refresh: () => code && load(true),
    code: () => code,
  };
}

/** Rain of the last whole hour by the clock's five minutes, and since 08:00: null where any part is not known. */
async function rainNow(code, found) {
  const at = Date.now();
  if (!found.series.some((each) => each.element === "accumulated_rain")) return { code, at, none: true };
  const end = Math.floor(now() / 300000) * 300000;
  const [hour, day] = await Promise.all([
    get(`stations/${code}/rain`, { bucket: "300", start: end - HOUR, end }),
    get(`stations/${code}/rain`, { bucket: "day", start: Math.floor(now()) - 1, end: Math.floor(now()) }),
  ]);
  const sum = hour.buckets.reduce((total, each) => (total === null || each.mm === null ? null : total + each.mm), 0);
  return { code, at, hour: hour.buckets.length ? sum : null, day: day.buckets.at(-1)?.mm ?? null };
}

function rainText(mm) {
  return mm === null || mm === undefined ? el("span", { class: "doubt" }, t("not_known")) : el("b", {}, `${fixed(mm, 1)} mm`);
}

function nowCard(station, rain) {
  const level = station.level;
  if (!level) return el("div", { class: "now none" }, t("no_level"));
  const gap = margin(level), way = tendency(level);
  const time = level.time_ms ?? level.received_ms;
  const old = time !== null && (now() - time) / 1000 > station.silent_after_s;
  const facts = [
    [t("value_age"), time !== null ? ageNode(time, "ago") : "—", time !== null ? el("small", {}, level.time_ms !== null ? t("measured", { time: clock(time) }) : t("arrived", { time: clock(time) })) : null],
    [t("quality"), el("span", { class: level.flag === 1 ? "" : "doubt" }, qualityText(level)), null],
    [t("clock_grade"), el("span", { class: level.grade <= 1 ? "doubt" : "" }, gradeText(level)), null],
    [t("trend"), way ? `${way.arrow} ${way.name}` : "—", way && way.speed ? el("small", {}, way.speed) : null],
    rain && !rain.none ? [t("rain_hour"), rainText(rain.hour), null] : null,
    rain && !rain.none ? [t("rain_day"), rainText(rain.day), null] : null,
  ];
  return el("div", { class: `now over${gap.over} ${old ? "old" : ""}` },
    el("div", { class: "figure" }, el("b", {}, fixed(level.value)), el("span", {}, "m"), way ? el("i", { class: `arrow ${level.trend}` }, way.arrow) : null),
    level.datum ? el("div", { class: "datum" }, datumName(level.datum)) : null,
    el("div", { class: "gap" }, gap.text),
    old ? el("div", { class: "not-current" }, ageNode(time, "not_current")) : null,
    el("div", { class: "limits" }, level.guarantee !== null ? el("span", { class: "g" }, `${t("guarantee")} ${fixed(level.guarantee)}`) : null, level.warning !== null ? el("span", { class: "w" }, `${t("warning")} ${fixed(level.warning)}`) : null),
    el("dl", {}, facts.filter(Boolean).map(([name, value, more]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, more)))));
}

function elementsTable(detail, chosen) {
  return el("section", { class: "card elements" }, el("h3", {}, t("all_elements")),
    el("table", {}, el("tbody", {}, detail.series.map((each) => el("tr", { class: each.series === chosen ? "chosen" : "" },
      el("td", {}, el("button", { type: "button", class: "pick", "data-series": each.series, "data-key": each.series, "aria-pressed": String(each.series === chosen) }, seriesName(each)), each.datum ? el("small", {}, ` ${datumName(each.datum)}`) : null,
        el("small", { class: "how" }, el("span", { class: each.flag === 1 ? "" : "doubt" }, qualityText(each)), " · ", el("span", { class: each.grade <= 1 ? "doubt" : "" }, gradeText(each)))),
      el("td", { class: "n" }, each.value === null
        ? el("b", { class: "doubt" }, t("missing_value"))
        : [el("b", {}, fixed(each.value, each.decimals)), el("small", {}, ` ${each.unit}`)],
        each.value === null && each.last_value !== null ? el("small", { class: "last" }, t("last_good", { value: fixed(each.last_value, each.decimals), age: span(Math.max(0, Math.round((now() - each.last_value_ms) / 1000))) })) : null),
      el("td", { class: "n" }, each.time_ms !== null || each.received_ms !== null ? ageNode(each.time_ms ?? each.received_ms) : "—"))))));
}

function linkCard({ station, lines, conflicts, untimed }) {
  const many = (n) => (n >= 1000 ? t("at_least", { n: count(n) }) : t("records", { n: count(n) }));
  const sum = (name) => lines.reduce((total, each) => total + each[name], 0);
  const gaps = sum("gaps"), lost = sum("lost");
  const facts = [
    [t("last_heard"), station.last_heard_ms ? ageNode(station.last_heard_ms, "ago") : t("never"), t("silent_after", { span: span(station.silent_after_s) })],
    [t("waiting"), station.waiting ? el("b", { class: "doubt" }, t("records", { n: count(station.waiting) })) : t("all_here"), null],
    [t("gaps"), gaps ? el("b", { class: "doubt" }, t("records", { n: count(gaps) })) : t("no_gaps"), null],
    lost ? [t("lost"), el("b", { class: "doubt" }, t("records", { n: count(lost) })), null] : null,
    [t("held"), t("records", { n: count(sum("held")) }), null],
    untimed ? [t("untimed"), many(untimed), null] : null,
    conflicts ? [t("conflicts"), many(conflicts), null] : null,
    station.latitude !== null && station.longitude !== null ? [t("coordinates"), `${station.latitude.toFixed(4)}°N ${station.longitude.toFixed(4)}°E`, null] : null,
  ];
  return el("section", { class: "card link-card" }, el("h3", {}, t("link")),
    el("dl", {}, facts.filter(Boolean).map(([name, value, more]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, ` ${more}`) : null)))),
    lines.length ? el("details", {}, el("summary", {}, `${t("lines")} (${lines.length})`),
      el("table", {}, el("thead", {}, el("tr", {}, ["line", "tail", "head", "held", "waiting", "gaps", "lost"].map((name) => el("th", { class: name === "line" ? "" : "n" }, t(name))))),
        el("tbody", {}, lines.map((each) => el("tr", {}, el("td", { class: "mono" }, each.line.slice(0, 8)), ["tail", "head", "held", "waiting", "gaps", "lost"].map((name) => el("td", { class: "n" }, count(each[name])))))))) : null);
}

function eventsCard({ events }) {
  return el("section", { class: "card events" }, el("h3", {}, t("events")),
    events.length ? el("ul", {}, events.slice(0, 40).map((each) => el("li", {},
      el("time", {}, clock(each.time_ms ?? each.received_ms, false)), " ",
      el("b", {}, word(`event_${each.kind}`, each.kind)), " ",
      el("small", {}, describe(each))))) : el("p", { class: "nothing" }, t("no_events")));
}

function describe(event) {
  const { detail } = event;
  if (event.kind === "opened") {
    const before = !detail.previous_last ? t("first_line")
      : t(detail.closed ? "came_after_stop" : "came_after_cut", { time: clock(detail.previous_time_ms, false) });
    return `${before} · ${detail.version}`;
  }
  if (event.kind === "gap") {
    const n = (detail.ranges || []).reduce((sum, [first, last]) => sum + last - first + 1, 0);
    return `${t("records", { n: count(n) })} · ${word(`cause_${detail.cause}`, detail.cause)}`;
  }
  const facts = Object.entries(detail).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value)).slice(0, 6);
  return [event.value !== null ? fixed(event.value) : null, ...facts.map(([name, value]) => `${name} ${String(value).slice(0, 60)}`)].filter(Boolean).join(" · ");
}
