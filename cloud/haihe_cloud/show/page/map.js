// The map: our own schematic rivers, or the bureau's tiles above them, and one sign per station.

import { el } from "./dom.js";
import { fixed } from "./figures.js";
import { rank, sign, stateName } from "./marks.js";
import { lang, stationName, t } from "./words.js";

const TIANJIN = [[38.6, 116.75], [40.1, 118.05]];
const CROWD = 40; // beyond so many stations only those in trouble carry their name

/** Build the map once; returns its painters. */
export function chartOfRivers(node, on, tiles) {
  const map = L.map(node, { zoomSnap: 0.25, zoomDelta: 0.5, minZoom: 6, maxZoom: 17, attributionControl: false, zoomControl: false });
  L.control.zoom({ position: "topright" }).addTo(map);
  L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
  L.control.attribution({ prefix: false, position: "bottomright" }).addAttribution(t("map_note")).addTo(map);
  map.fitBounds(TIANJIN);
  if (tiles) L.tileLayer(tiles, { maxZoom: 17 }).addTo(map);
    const marks = new Map();
  let fitted = false;
  const riverNames = [];
  map.on("moveend resize", () => arrange());

  /** Names of the worst stations first; a name that would cover another goes to the left, or away. */
  function arrange() {
    const width = map.getSize().x;
    const taken = [[width - 60, 0, width, 84]]; // the zoom buttons
    const inside = (box) => box[0] >= 0 && box[2] <= width;
    const free = (box) => !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
    const order = [...marks.values()].sort((a, b) => a.rank - b.rank);
    const places = order.map((held) => map.latLngToContainerPoint(held.mark.getLatLng()));
    // Where stations crowd, the small signs of the quiet ones may be covered; those of the others may not.
    const crowded = order.length > CROWD;
    places.forEach(({ x, y }, i) => {
      if (!crowded || order[i].rank < rank("unverified")) taken.push([x - 12, y - 12, x + 12, y + 12]);
    });
    order.forEach((held, i) => {
      const face = held.mark.getElement()?.firstChild, text = face?.lastChild;
      if (!text) return;
      const { x, y } = places[i], wide = held.width;
      const right = [x + 14, y - 10, x + 14 + wide, y + 10], left = [x - 14 - wide, y - 10, x - 14, y + 10];
      const possible = [right, left].filter(free);
      const at = possible.find(inside) || possible[0] || null;
      face.classList.toggle("left", at === left);
      face.classList.toggle("covered", at === null && held.rank >= 0);
      if (at && !face.classList.contains("quiet")) taken.push(at);
    });
    for (const { mark, wide } of riverNames) {
      const { x, y } = map.latLngToContainerPoint(mark.getLatLng());
      const box = [x - wide / 2, y - 8, x + wide / 2, y + 8];
      const seen = free(box) && inside(box);
      mark.getElement()?.classList.toggle("covered", !seen);
      if (seen) taken.push(box);
    }
  }

  drawRivers(map, Boolean(tiles), riverNames).then(arrange);

  // A map that was hidden (the phone's other tab) has no size to fit to until it is shown.
  let shown = null;
  const size = new ResizeObserver(() => {
    map.invalidateSize({ animate: false });
    if (!fitted && shown) show(...shown);
  });
  size.observe(node);

  function face(station, chosen, crowd) {
    const beside = rank(station.state) < 2 ? station.also[0] : null; // a flooded station that fell silent shows both
    const quiet = crowd && rank(station.state) >= rank("unverified") && station.code !== chosen;
    return el("div", { class: `mark ${station.state} ${station.code === chosen ? "chosen" : ""} ${quiet ? "quiet" : ""}` },
      sign(station.state, 26), beside ? sign(beside, 15) : null,
      el("span", { class: "mark-text" }, el("b", {}, stationName(station)),
        station.level ? el("span", {}, fixed(station.level.value)) : null));
  }

  function show(stations, chosen) {
    shown = [stations, chosen];
    const placed = stations.filter((each) => each.latitude !== null && each.longitude !== null);
    const seen = new Set();
    let changed = false;
    for (const station of placed) {
      seen.add(station.code);
      const face_ = face(station, chosen, placed.length > CROWD);
      const look = face_.outerHTML;
      let held = marks.get(station.code);
      if (!held) {
        held = { mark: L.marker([station.latitude, station.longitude], { keyboard: true }) };
        held.mark.on("click", () => on.choose(station.code));
        held.mark.on("keypress", (event) => event.originalEvent.key === "Enter" && on.choose(station.code));
        marks.set(station.code, held);
      }
      held.rank = station.code === chosen ? -1 : rank(station.state);
      if (held.look !== look) {
        held.look = look;
        changed = true;
        held.width = 14 + [...stationName(station)].reduce((sum, c) => sum + (c.charCodeAt(0) > 255 ? 13.5 : 7.8), 0) + (station.level ? 38 : 0);
        // Once there, a mark keeps its node, so that the keyboard's place on the map survives every update.
        if (map.hasLayer(held.mark)) held.mark.getElement().replaceChildren(face_);
        else held.mark.setIcon(L.divIcon({ html: face_, className: "mark-box", iconSize: [26, 26] }));
        held.mark.setZIndexOffset((station.code === chosen ? 2000 : 0) + (20 - rank(station.state)) * 50);
        held.mark.options.title = `${stationName(station)} ${stateName(station.state)}`;
        if (!map.hasLayer(held.mark)) held.mark.addTo(map);
        held.mark.getElement()?.setAttribute("aria-label", held.mark.options.title);
      }
    }
    for (const [code, held] of marks) {
      if (!seen.has(code)) { held.mark.remove(); marks.delete(code); }
    }
    if (!fitted && placed.length && node.clientWidth > 0) {
      fitted = true;
      map.invalidateSize({ animate: false });
      map.fitBounds(L.latLngBounds(placed.map((each) => [each.latitude, each.longitude])).pad(0.02), { animate: false, maxZoom: 11, paddingTopLeft: [20, 24], paddingBottomRight: [70, 24] });
    }
    if (changed) arrange();
  }

  return {
    show,
    /** Fit all stations again, after the map got another size. */
    refit() {
      fitted = false;
      if (shown) show(...shown);
    },
    toward(station) {
      if (station.latitude !== null && !map.getBounds().pad(-0.1).contains([station.latitude, station.longitude])) {
        map.panTo([station.latitude, station.longitude]);
      }
    },
  };
}

async function drawRivers(map, faint, names) {
  const rivers = await (await fetch("rivers.json")).json();
  map.createPane("water").style.zIndex = 210;
  L.geoJSON(rivers, {
    pane: "water", interactive: false,
    style: (feature) => feature.properties.kind === "sea"
      ? { color: "#5b86a5", weight: 1.5, fillColor: "#cfe3f0", fillOpacity: faint ? 0 : 1 }
      : { color: "#5f9bc4", weight: feature.properties.width + 1, opacity: faint ? 0.5 : 0.9, lineCap: "round", lineJoin: "round" },
  }).addTo(map);
  map.createPane("names").style.zIndex = 220;
  for (const { properties } of rivers.features) {
    const [x, y] = properties.label;
    const mark = L.marker([y, x], { pane: "names", interactive: false, keyboard: false,
      icon: L.divIcon({ className: `river-name ${properties.kind}`, html: el("span", {}, properties[lang]), iconSize: [0, 0] }) }).addTo(map);
    names.push({ mark, wide: properties[lang].length * (lang === "zh" ? 13 : 7) });
  }
}
