// The top bar: how many stations are in which state, unanswered alarms, and whether this page itself is alive.

import { el, put } from "./dom.js";
import { ORDER, sign, stateName } from "./marks.js";
import { age, now, stamp, clock } from "./time.js";
import { lang, switchLanguage, t } from "./words.js";

/** Build the bar once; returns its painters. */
export function bar(node, on) {
  const counts = el("div", { class: "counts", role: "group", "aria-label": t("stations") });
  const bell = el("button", { class: "bell", type: "button", onclick: on.alarms });
  const life = el("span", { class: "life", role: "status" });
  const watch = el("span", { class: "watch" });
  node.append(
    el("h1", {}, el("span", { class: "long" }, t("title")), el("span", { class: "short" }, t("title_short"))),
    counts, bell,
    el("div", { class: "page-state" }, life, watch),
    el("button", { class: "language", type: "button", lang: lang === "zh" ? "en" : "zh-CN", onclick: switchLanguage }, t("other_language")),
  );
  return {
    counts(stations, chosen) {
      const by = Object.fromEntries(ORDER.map((state) => [state, 0]));
      // Every state that holds: a flooded station that fell silent counts in both.
      for (const each of stations) for (const state of [each.state, ...each.also]) by[state] += 1;
      put(counts, ORDER.filter((state) => by[state] > 0 || ["above_guarantee", "above_warning", "silent", "normal"].includes(state)).map((state) => {
        const button = el("button", {
          type: "button", class: `count ${state} ${by[state] ? "some" : "zero"}`, "data-key": state,
          "data-state": state, "aria-pressed": String(chosen === state),
        }, sign(state, 20), el("b", {}, String(by[state])), el("span", {}, stateName(state)));
        return button;
      }));
    },
    bell(list) {
      bell.classList.toggle("some", list.unanswered > 0);
      put(bell, el("b", {}, String(list.unanswered)), el("span", {}, t("unanswered")));
    },
    life(stream, trouble) {
      const live = stream && stream.live();
      const heard = stream ? stream.heard() : 0;
      life.classList.toggle("live", Boolean(live));
      life.textContent = live ? t("live") : heard ? t("reconnecting") : t("connecting");
      watch.textContent = `${t("beijing")} ${stamp(now()).slice(5)}`;
      // A short break is shown by the word above; only a longer one moves the page to say so.
      const stale = !live && heard > 0 && Date.now() - heard > 5000;
      trouble.hidden = !stale;
      document.body.classList.toggle("stale", stale);
      if (stale) trouble.textContent = t("stale", { time: clock(now() - (Date.now() - heard)), age: age(now() - (Date.now() - heard)) });
    },
    onCount(handler) {
      counts.addEventListener("click", (event) => {
        const button = event.target.closest("[data-state]");
        if (button) handler(button.dataset.state);
      });
    },
  };
}
