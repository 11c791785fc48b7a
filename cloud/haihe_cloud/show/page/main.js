// The page of the dispatch centre. New here? Start reading here: it builds every part and joins them.

import { alarms } from "./alarms.js";
import { bar } from "./bar.js";
import { get, listen } from "./centre.js";
import { el } from "./dom.js";
import { learnFacts } from "./figures.js";
import { list } from "./list.js";
import { chartOfRivers } from "./map.js";
import { learnNames } from "./marks.js";
import { stationPanel } from "./station.js";
import { tick } from "./time.js";
import { t } from "./words.js";

const byId = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 899px)");

async function start() {
  document.title = t("title");
  const page = await patiently(() => get("page"));
  learnNames(page.conditions);
  learnFacts(page);

  const stations = new Map();
  let book = { alarms: [], active: 0, unanswered: 0 };
  let chosenState = null;

  const choose = (code) => { location.hash = code; };
  const top = bar(byId("bar"), { alarms: () => tab("alarms") });
  const rows = list(byId("list"), { choose });
  const map = chartOfRivers(byId("map"), { choose }, page.tiles);
  const one = stationPanel(byId("station"), { back: () => { location.hash = ""; } });
  const bells = alarms(byId("alarms"), byId("answer"), { choose, tokenNeeded: page.token_needed, answered: readAlarms });
  const tabs = tabBar(byId("tabs"));
  mapSize(byId("map-box"), map);

  top.onCount((state) => { chosenState = chosenState === state ? null : state; paint(); if (narrow.matches) tab("list"); });

  function tab(name) {
    if (narrow.matches && location.hash) history.pushState(null, "", location.pathname + location.search);
    document.body.dataset.tab = name;
    follow();
  }

  function tabBar(node) {
    for (const [name, word] of [["list", "stations"], ["map-box", "map"], ["alarms", "alarms"]]) {
      node.append(el("button", { type: "button", "data-tab": name, onclick: () => tab(name) }, t(word), el("b", { class: "badge" })));
    }
    return {
      paint() {
        for (const button of node.children) {
          button.setAttribute("aria-pressed", String(button.dataset.tab === document.body.dataset.tab));
          if (button.dataset.tab === "alarms") button.lastChild.textContent = book.unanswered ? String(book.unanswered) : "";
        }
      },
    };
  }

  function paint() {
    const all = [...stations.values()];
    top.counts(all, chosenState);
    top.bell(book);
    rows.show(all, chosenState, one.code());
    map.show(all, one.code());
    bells.show(book, all);
    tabs.paint();
  }

  function follow() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const code = stations.has(wanted) ? wanted : narrow.matches ? null : rows.first()?.code ?? null;
    document.body.classList.toggle("one", Boolean(code && stations.has(wanted)));
    one.show(code);
    if (code && stations.has(wanted)) { map.toward(stations.get(code)); if (narrow.matches) scrollTo(0, 0); }
    paint();
  }

  async function readStations() {
    const found = await get("stations");
    const codes = new Set(found.stations.map((each) => each.code));
    for (const code of stations.keys()) if (!codes.has(code)) stations.delete(code);
    for (const each of found.stations) stations.set(each.code, each);
    rows.unknown(found.unknown);
    rows.problems(found.problems);
    paint();
    follow();
    one.refresh();
  }

  async function readAlarms() {
    book = await get("alarms");
    paint();
  }

  const stream = listen({
    hello: () => { readStations().catch(later); readAlarms().catch(later); },
    stations: (news) => {
      for (const each of news) { stations.set(each.code, each); one.news(each); }
      paint();
    },
    alarms: (news) => { book = news; paint(); },
  });
  // The list of stations and the unknown ones can change without a word from any station.
  setInterval(() => stream.live() && readStations().catch(later), 60000);
  setInterval(() => { tick(); top.life(stream, byId("trouble")); }, 1000);
  top.life(stream, byId("trouble"));
  addEventListener("hashchange", follow);
  narrow.addEventListener("change", follow);
  document.body.dataset.ready = "yes";
}

function later(fault) {
  console.info("will be read again:", fault.message);
}

async function patiently(ask) {
  for (;;) {
    try { return await ask(); } catch (fault) {
      byId("trouble").hidden = false;
      byId("trouble").textContent = t("load_failed", { what: fault.message });
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

function mapSize(box, map) {
  const button = el("button", { type: "button", class: "enlarge", onclick: () => {
    const large = document.body.classList.toggle("map-large");
    button.textContent = t(large ? "map_smaller" : "map_larger");
    map.refit();
  } }, t("map_larger"));
  box.append(el("h2", { id: "map-title", class: "hidden" }, t("map")), button);
}

start();
