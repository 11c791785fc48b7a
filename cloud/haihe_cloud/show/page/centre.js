// Talking with the centre: questions, answers, and the stream of changes.

import { learn } from "./time.js";
import { lang } from "./words.js";

const QUIET_MS = 20000; // a heartbeat comes every 15 s

/** A fault as the centre says it: what, where, do. */
export class Fault extends Error {
  constructor(status, body) {
    super(body.what || String(status));
    this.status = status;
    this.body = body;
  }
}

async function take(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Fault(response.status, body);
  learn(body.now_ms);
  return body;
}

/** Ask: get("stations/31005650/rain", {bucket: 3600}). */
export async function get(path, query = {}, signal) {
  const params = new URLSearchParams({ ...query, lang });
  return take(await fetch(`api/v1/${path}?${params}`, { signal, cache: "no-store" }));
}

/** Write. */
export async function post(path, body, token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  return take(await fetch(`api/v1/${path}?lang=${lang}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

/**
 * The stream of changes. Calls on.hello at every (re)connection, so that the page can read everything anew:
 * what happened in between is not in the stream.
 */
export function listen(on) {
  let heard = 0;
  let source = null;
  const touch = (event) => {
    heard = Date.now();
    const body = JSON.parse(event.data);
    learn(body.now_ms);
    return body;
  };
  function open() {
    source = new EventSource("api/v1/events");
    source.addEventListener("hello", (event) => on.hello(touch(event)));
    source.addEventListener("stations", (event) => on.stations(touch(event).stations));
    source.addEventListener("alarms", (event) => on.alarms(touch(event)));
    source.addEventListener("heartbeat", touch);
  }
  open();
  // The browser reconnects by itself except after a refusal; a stream that is open and dumb is no better than none.
  setInterval(() => {
    const quiet = Date.now() - heard;
    if (source.readyState === EventSource.CLOSED || (heard && quiet > 2 * QUIET_MS && quiet % 10000 < 1000)) {
      source.close();
      open();
    }
  }, 1000);
  return { live: () => heard > 0 && source.readyState === EventSource.OPEN && Date.now() - heard < QUIET_MS,
           heard: () => heard };
}
