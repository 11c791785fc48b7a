// The alarms: who must be called, who has answered, what is over.

import { el, put } from "./dom.js";
import { fixed } from "./figures.js";
import { post } from "./centre.js";
import { sign } from "./marks.js";
import { ageNode, clock } from "./time.js";
import { datumName, named, stationName, t, word } from "./words.js";

const SIGN = { guarantee: "above_guarantee", warning: "above_warning", silent: "silent" };

/** Build the panel and the dialog once; returns the painter. */
export function alarms(node, dialog, on) {
  const rows = el("div", { class: "alarm-rows" });
  const sum = el("small", {});
  node.append(el("div", { class: "panel-head" }, el("h2", { id: "alarms-title" }, t("alarms")), sum), rows);
  rows.addEventListener("click", (event) => {
    const answer = event.target.closest("[data-answer]");
    const go = event.target.closest("[data-go]");
    if (answer) ask(dialog, answer.dataset, on);
    else if (go) on.choose(go.dataset.go);
  });
  return {
    show(list, stations) {
      const byCode = new Map(stations.map((each) => [each.code, each]));
      const active = list.alarms.filter((each) => each.ended_ms === null);
      const ended = list.alarms.filter((each) => each.ended_ms !== null).slice(0, 60);
      sum.textContent = active.length ? t("alarms_sum", { active: active.length, unanswered: list.unanswered }) : "";
      put(rows,
        active.length ? el("ul", {}, active.map((each) => row(each, byCode.get(each.station)))) : el("p", { class: "nothing" }, t("no_active")),
        ended.length ? el("details", { open: active.length === 0 || openDetails(rows) }, el("summary", {}, `${t("earlier")} (${ended.length})`), el("ul", {}, ended.map((each) => row(each, byCode.get(each.station))))) : null);
    },
  };
}

function openDetails(rows) {
  return Boolean(rows.querySelector("details")?.open);
}

function row(alarm, station) {
  const name = station ? stationName(station) : alarm.station;
  const title = named({ zh: alarm.title_zh, en: alarm.title_en }, word(`alarm_${alarm.level}`, alarm.level));
  const ended = alarm.ended_ms !== null;
  const state = ended ? "ended" : alarm.answered_by ? "answered" : "open";
  return el("li", { class: `alarm ${alarm.level} ${state}` },
    sign(SIGN[alarm.level] || "unverified", 26),
    el("div", { class: "alarm-text" },
      el("div", {}, el("button", { type: "button", class: "link", "data-go": alarm.station, "data-key": `go${alarm.id}` }, name), " ", el("b", {}, title),
        alarm.late ? el("span", { class: "tag" }, t("late")) : null,
        alarm.unverified ? el("span", { class: "tag" }, t("unverified")) : null,
        alarm.void ? el("span", { class: "tag" }, t("void")) : null),
      el("small", {}, [
        ended ? t("ended", { time: clock(alarm.ended_ms, false) }) : null,
        t("started", { time: clock(alarm.started_ms, false) }),
        alarm.late || Math.abs(alarm.raised_ms - alarm.started_ms) > 120000 ? t("raised", { time: clock(alarm.raised_ms, false) }) : null,
        alarm.element === "water_level" ? `${t("threshold", { value: fixed(alarm.threshold) })} ${datumName(alarm.datum)}` : null,
        alarm.peak !== null && alarm.element === "water_level" ? t("peak", { value: fixed(alarm.peak), time: alarm.peak_ms ? clock(alarm.peak_ms, false) : "" }) : null,
      ].filter(Boolean).join(" · ")),
      alarm.answered_by
        ? el("small", { class: "who" }, `✓ ${t("answered", { who: alarm.answered_by, time: clock(alarm.answered_ms, false) })}${alarm.note ? `：${alarm.note}` : ""}`)
        : ended ? null : el("small", { class: "nobody" }, t("not_answered"), " ", ageNode(alarm.raised_ms))),
    !ended && !alarm.answered_by
      ? el("button", { type: "button", class: "do", "data-answer": alarm.id, "data-what": `${name} ${title}`, "data-key": `answer${alarm.id}` }, t("answer"))
      : null);
}

function ask(dialog, { answer, what }, on) {
  const who = el("input", { name: "who", required: true, maxlength: 40, autocomplete: "name", value: localStorage.getItem("haihe.who") || "" });
  const note = el("textarea", { name: "note", maxlength: 400, rows: 3 });
  const token = el("input", { name: "token", type: "password", autocomplete: "off", value: sessionStorage.getItem("haihe.token") || "" });
  const wrong = el("p", { class: "wrong", role: "alert", hidden: true });
  const send = el("button", { type: "submit", class: "do" }, t("send"));
  const form = el("form", { method: "dialog" },
    el("h2", {}, t("answer_title")), el("p", { class: "what" }, what),
    el("label", {}, t("who"), who), el("label", {}, t("note"), note),
    on.tokenNeeded ? el("label", {}, t("token"), token) : null, wrong,
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")), send));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    send.textContent = t("sending");
    try {
      await post(`alarms/${answer}/answer`, { who: who.value, note: note.value }, on.tokenNeeded ? token.value : "");
      localStorage.setItem("haihe.who", who.value);
      if (on.tokenNeeded) sessionStorage.setItem("haihe.token", token.value);
      dialog.close();
      on.answered();
    } catch (fault) {
      wrong.hidden = false;
      wrong.textContent = [fault.body?.what || fault.message, fault.body?.do].filter(Boolean).join("。");
      send.disabled = false;
      send.textContent = t("send");
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
  (who.value ? note : who).focus();
}
