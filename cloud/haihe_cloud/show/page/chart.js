// The hydrograph: level below, rain hanging from the top, limits as labelled lines, breaks where nothing is known.

import { fixed } from "./figures.js";
import { beijingDate, clock, parts } from "./time.js";
import { t } from "./words.js";

const INK = "#1b2a35", GRID = "#dde5ea", LEVEL = "#0b5fa5", RAIN = "#4b8fc4", WARN = "#b85c00", GUARD = "#a3004f", DOUBT = "#b000b8";
const FONT = '13px system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Zen Hei", sans-serif';

/** A hydrograph in a node. set({readings, rain, limits, start, end}) draws it, later calls redraw in place. */
export function hydrograph(node, readout) {
  let plot = null;
  let data = null;

  function size() {
    return { width: Math.max(260, node.clientWidth), height: Math.max(180, node.clientHeight) };
  }
  new ResizeObserver(() => plot && plot.setSize(size())).observe(node);

  function range() {
    const values = data.level.filter((v) => v !== null && v !== undefined);
    if (!values.length) return [0, 1];
    let low = Math.min(...values), high = Math.max(...values);
    // A limit joins the picture when the water is near it, or over it; a far one would flatten the curve.
    const near = Math.max(1.5, 1.2 * (high - low));
    for (const limit of data.limits) {
      if (limit.value - high < near && low - limit.value < near) { low = Math.min(low, limit.value); high = Math.max(high, limit.value); }
    }
    const pad = Math.max((high - low) * 0.08, 0.05);
    // Rain hangs in the top quarter, so the water keeps below it.
    return [low - pad, high + pad + (data.rain.length ? (high - low + 2 * pad) * 0.33 : 0)];
  }

  function options() {
    const axis = { font: FONT, stroke: INK, grid: { stroke: GRID, width: 1 }, ticks: { stroke: GRID, width: 1, size: 5 } };
    return {
      ...size(),
      tzDate: beijingDate,
      padding: [10, data.rain.length ? 4 : 14, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: true, range: () => [data.start / 1000, data.end / 1000] },
        y: { range },
        rain: { dir: -1, range: () => [0, Math.max(5, ...data.rain.map((each) => each.mm || 0)) * 3.4] },
      },
      axes: [
        { ...axis, values: (u, splits, at, space, step) => splits.map((s) => tickText(s, step)), space: 76, size: 34 },
        { ...axis, values: (u, splits) => splits.map((v) => fixed(v, step(splits))), size: 58 },
        data.rain.length ? { ...axis, scale: "rain", side: 1, grid: { show: false }, size: 44, splits: rainSteps, values: (u, splits) => splits.map(String) } : { show: false },
      ],
      series: [
        {},
        { stroke: LEVEL, width: 2.5, spanGaps: false, points: { show: (u, s, i0, i1) => i1 - i0 < 40, size: 5, fill: LEVEL } },
        { scale: "y", stroke: DOUBT, width: 0, paths: () => null, points: { show: true, size: 7, width: 1.5, stroke: DOUBT, fill: "#fff" } },
        { scale: "rain", paths: () => null, points: { show: false } },
      ],
      hooks: { drawClear: [drawRain], draw: [drawLimits], setCursor: [read] },
    };
  }

  function rainSteps() {
    const most = Math.max(5, ...data.rain.map((each) => each.mm || 0));
    const gap = [2, 5, 10, 20, 50, 100, 200].find((n) => most / n <= 3.5) || 500;
    const steps = [];
    for (let v = 0; v <= most; v += gap) steps.push(v);
    return steps;
  }

  function step(splits) {
    const gap = splits.length > 1 ? splits[1] - splits[0] : 1;
    return gap < 0.01 ? 3 : gap < 1 ? 2 : 1;
  }

  function drawRain(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const bucket of data.rain) {
      const left = u.valToPos(bucket.start_ms / 1000, "x", true), right = u.valToPos(bucket.end_ms / 1000, "x", true);
      const gap = right - left > 6 ? 1 : 0;
      if (bucket.mm === null) {
        ctx.fillStyle = "#e3e0d3";
        ctx.fillRect(left, bbox.top, Math.max(1, right - left), 7 * devicePixelRatio);
      } else if (bucket.mm > 0) {
        ctx.fillStyle = bucket.why === "running" ? "#9cc3e0" : RAIN;
        ctx.fillRect(left + gap, bbox.top, Math.max(1, right - left - 2 * gap), u.valToPos(bucket.mm, "rain", true) - bbox.top);
      }
    }
    ctx.restore();
  }

  function drawLimits(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `bold ${13 * devicePixelRatio}px ${FONT.slice(5)}`;
    ctx.textBaseline = "bottom";
    for (const limit of data.limits) {
      const y = u.valToPos(limit.value, "y", true);
      const text = `${t(limit.kind)} ${fixed(limit.value)} m`;
      const colour = limit.kind === "guarantee" ? GUARD : WARN;
      const inside = y >= bbox.top && y <= bbox.top + bbox.height;
      ctx.strokeStyle = ctx.fillStyle = colour;
      if (inside) {
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.setLineDash(limit.kind === "guarantee" ? [] : [9 * devicePixelRatio, 5 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
      }
      const place = inside ? y - 3 * devicePixelRatio : bbox.top + (limit.kind === "guarantee" ? 18 : 36) * devicePixelRatio;
      const label = inside ? text : `${text} ${y < bbox.top ? "↑" : "↓"}`;
      const width = ctx.measureText(label).width;
      ctx.setLineDash([]);
      ctx.fillStyle = "rgba(255,255,255,.85)";
      ctx.fillRect(bbox.left + 6 * devicePixelRatio, place - 16 * devicePixelRatio, width + 6 * devicePixelRatio, 17 * devicePixelRatio);
      ctx.fillStyle = colour;
      ctx.fillText(label, bbox.left + 9 * devicePixelRatio, place);
    }
    ctx.restore();
  }

  function read(u) {
    const at = u.cursor.idx;
    if (at === null || at === undefined) { readout(""); return; }
    const time = u.data[0][at];
    const level = u.data[1][at] ?? u.data[2][at];
    const rain = data.rain.find((each) => each.start_ms < time * 1000 && time * 1000 <= each.end_ms);
    const parts_ = [clock(time * 1000)];
    if (level !== null && level !== undefined) parts_.push(`${fixed(level, data.decimals)} ${data.unit}`);
    if (u.data[2][at] !== null && u.data[2][at] !== undefined) parts_.push(t(data.failed.has(time) ? "failed_point" : "suspect_point"));
    if (rain) parts_.push(rain.mm === null ? t(rain.why === "reset" ? "rain_reset" : "rain_missing") : `${t("rain")} ${fixed(rain.mm, 1)} mm${rain.why === "running" ? ` (${t("rain_running")})` : ""}`);
    readout(parts_.join("   "));
  }

  return {
    set({ readings, rain, limits, start, end }) {
      const before = data;
      data = arrange(readings, rain, limits, start, end);
      const columns = [data.x, data.level, data.doubt, data.x.map(() => null)];
      const sameShape = before && plot && (before.rain.length > 0) === (data.rain.length > 0);
      if (sameShape) plot.setData(columns);
      else {
        plot?.destroy();
        plot = new uPlot(options(), columns, node);
      }
    },
    clear() {
      plot?.destroy();
      plot = null;
      data = null;
    },
  };
}

function arrange(readings, rain, limits, start, end) {
  const x = [], level = [], doubt = [], failed = new Set();
  const finite = readings.value.filter((v, i) => v !== null && readings.flag[i] !== 4);
  const low = finite.length ? Math.min(...finite) : 0;
  readings.time_ms.forEach((time, i) => {
    const value = readings.value[i], flag = readings.flag[i];
    x.push(time / 1000);
    level.push(flag === 4 ? null : value);
    // A failed value (9999 of a broken sensor) would crush the scale: it is marked at the foot of the chart.
    doubt.push(flag === 3 ? value : flag === 4 ? low : null);
    if (flag === 4) failed.add(time / 1000);
  });
  return { x, level, doubt, failed, rain, limits, start, end, unit: readings.unit, decimals: readings.decimals };
}

function tickText(seconds, step) {
  const p = parts(seconds * 1000);
  if (p.hour === "00" && p.minute === "00") return `${p.month}-${p.day}`;
  return step < 60 ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`;
}
