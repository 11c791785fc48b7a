// Every word of the page: [Chinese, English]. Words for states, flags, clocks and elements come from the centre.

export const WORDS = {
  title: ["海河 · 水情监控", "Haihe · flood watch"],
  title_short: ["海河", "Haihe"],
  other_language: ["English", "中文"],
  stations: ["测站", "Stations"],
  map: ["地图", "Map"],
  alarms: ["告警", "Alarms"],
  map_note: ["河流为示意图 · CGCS2000", "Rivers are schematic · CGCS2000"],
  map_larger: ["放大地图", "Enlarge map"],
  map_smaller: ["还原地图", "Shrink map"],
  search: ["站名、站码、河流", "Name, code or river"],
  none_match: ["没有符合的测站", "No station matches"],
  no_stations: ["还没有登记测站。用 haihe-cloud station add 添加。", "No station is registered yet. Add one with haihe-cloud station add."],
  unknown_stations: ["未登记却在发数的测站：{list}。数据未入库。", "Speaking, but not registered: {list}. Nothing of it is stored."],
  beijing: ["北京时间", "Beijing"],
  live: ["实时", "Live"],
  connecting: ["连接中…", "Connecting…"],
  reconnecting: ["重连中…", "Reconnecting…"],
  stale: ["与中心的连接已断，页面停在 {time}（{age}前）。正在重连…", "No connection to the centre. This page stands still at {time} ({age} ago). Reconnecting…"],
  unanswered: ["告警未应答", "unanswered"],
  span_s: ["{n}秒", "{n} s"],
  span_min: ["{n}分", "{n} min"],
  span_h: ["{n}小时", "{n} h"],
  span_d: ["{n}天", "{n} d"],
  ago: ["{age}前", "{age} ago"],
  ahead: ["超前{span}", "{span} ahead"],
  no_level: ["无水位", "no level"],
  over_guarantee: ["超保证 {m} m", "{m} m over guarantee"],
  over_warning: ["超警戒 {m} m", "{m} m over warning"],
  to_warning: ["距警戒 {m} m", "{m} m to warning"],
  over_short: ["超警 +{m}", "+{m} over"],
  over_guarantee_short: ["超保 +{m}", "+{m} over"],
  to_short: ["距警 {m}", "{m} below"],
  no_limits_short: ["未设警戒", "no limit"],
  no_limits: ["未设警戒水位", "no warning level"],
  rising: ["上涨", "rising"],
  falling: ["下落", "falling"],
  steady: ["平稳", "steady"],
  per_hour: ["{cm} cm/时", "{cm} cm/h"],
  waiting_short: ["存站 {n} 条", "{n} waiting"],
  warning: ["警戒", "warning"],
  guarantee: ["保证", "guarantee"],
  measured: ["测于 {time}", "measured {time}"],
  arrived: ["收于 {time}，测时不明", "arrived {time}, time of measurement unknown"],
  not_current: ["不是当前值：{age}前", "Not current: {age} old"],
  quality: ["质量", "Quality"],
  clock_grade: ["时钟", "Clock"],
  value_age: ["时效", "Age"],
  trend: ["水势", "Trend"],
  rain_hour: ["1小时雨量", "Rain, 1 h"],
  rain_day: ["8时起雨量", "Since 08:00"],
  range_10min: ["10分钟", "10 min"],
  range_1h: ["1小时", "1 h"],
  range_6h: ["6小时", "6 h"],
  range_24h: ["24小时", "24 h"],
  range_7d: ["7天", "7 d"],
  rain: ["雨量", "rain"],
  rain_60: ["每分钟雨量 mm", "rain a minute mm"],
  rain_300: ["5分钟雨量 mm", "5-min rain mm"],
  rain_3600: ["小时雨量 mm", "hourly rain mm"],
  rain_86400: ["日雨量 mm", "daily rain mm"],
  rain_missing: ["雨量缺测", "rain missing"],
  rain_reset: ["雨量计复位", "rain counter reset"],
  rain_running: ["未满", "so far"],
  suspect_point: ["可疑点", "suspect"],
  failed_point: ["不合格", "failed"],
  break_point: ["断线处为缺测或未收到", "breaks: missing or not received"],
  no_readings: ["这段时间没有数据", "No readings in this span"],
  chart_failed: ["过程线读取失败：{what}", "The chart could not be read: {what}"],
  incomplete: ["数据过多，只显示前一部分", "Too many readings: only the first part is shown"],
  all_elements: ["全部要素", "All elements"],
  missing_value: ["缺测", "missing"],
  last_good: ["末值 {value}（{age}前）", "last {value} ({age} ago)"],
  link: ["通信与存储", "Link and buffer"],
  last_heard: ["最近来数", "Last heard"],
  never: ["从未", "never"],
  silent_after: ["超过 {span} 判失联", "silent after {span}"],
  waiting: ["存在站上未上报", "Waiting at the station"],
  records: ["{n} 条", "{n} records"],
  all_here: ["0 条，全部到齐", "0, all is here"],
  gaps: ["已知缺失", "Known gaps"],
  no_gaps: ["无", "none"],
  lost: ["去向不明", "Unexplained"],
  held: ["中心已存", "Held here"],
  untimed: ["待定时间的读数", "Readings waiting for their time"],
  conflicts: ["冲突读数", "Conflicting readings"],
  at_least: ["{n} 以上", "{n} or more"],
  lines: ["编号段（新→旧）", "Record lines (newest first)"],
  line: ["编号段", "Line"],
  head: ["站上最新号", "Newest"],
  tail: ["站上最旧号", "Oldest there"],
  events: ["测站事件", "Station events"],
  no_events: ["无", "none"],
  event_opened: ["启动（新编号段）", "started a new line"],
  event_gap: ["数据缺失", "data missing"],
  event_level_raised: ["站上判定超限", "level raised at the station"],
  event_level_cleared: ["站上判定解除", "level cleared at the station"],
  event_stopped: ["正常停机", "stopped in order"],
  event_silent: ["失联", "silent"],
  came_after_stop: ["上次正常停机于 {time}", "last stopped in order {time}"],
  came_after_cut: ["上次异常中断，最后存盘 {time}", "was cut off, last commit {time}"],
  first_line: ["首次启用", "first start"],
  cause_dropped_full: ["存储已满被覆盖", "overwritten, storage full"],
  cause_damaged: ["存储损坏", "storage damaged"],
  not_known: ["不明", "unknown"],
  pick: ["请选一个测站", "Choose a station"],
  back: ["返回", "Back"],
  coordinates: ["位置", "Position"],
  alarm_warning: ["超警戒水位", "Above warning level"],
  alarm_guarantee: ["超保证水位", "Above guarantee level"],
  alarm_silent: ["测站失联", "Station silent"],
  ended: ["已解除 {time}", "ended {time}"],
  started: ["起于 {time}", "since {time}"],
  raised: ["告警 {time}", "raised {time}"],
  peak: ["峰值 {value} m（{time}）", "peak {value} m ({time})"],
  threshold: ["限值 {value} m", "threshold {value} m"],
  late: ["补报数据", "late data"],
  unverified: ["待核实", "unverified"],
  void: ["已作废", "void"],
  api_title: ["接口说明", "The JSON API"],
  api_inputs: ["输入", "Inputs"],
  api_answers: ["回答", "Answers"],
  alarms_sum: ["未解除 {active}，未应答 {unanswered}", "{active} active, {unanswered} unanswered"],
  answer: ["应答", "Answer"],
  answer_title: ["应答告警", "Answer the alarm"],
  answered: ["{who} {time} 应答", "answered by {who} {time}"],
  not_answered: ["无人应答", "nobody has answered"],
  who: ["姓名", "Your name"],
  note: ["处置说明（可不填）", "What is being done (optional)"],
  token: ["写口令", "Write token"],
  send: ["确认应答", "Send answer"],
  cancel: ["取消", "Cancel"],
  sending: ["发送中…", "Sending…"],
  no_active: ["当前无告警", "No active alarm"],
  earlier: ["已结束", "Earlier"],
  load_failed: ["读取失败：{what}", "Could not be read: {what}"],
  datum_dagu: ["大沽高程", "Dagu datum"],
  datum_cgvd1985: ["1985国家高程", "CGVD 1985"],
  datum_huanghai1956: ["1956黄海高程", "Yellow Sea 1956"],
  point_main: ["", ""],
  point_upstream: ["上游", "upstream"],
  point_downstream: ["下游", "downstream"],
  point_board: ["", ""],
};

const asked = new URLSearchParams(location.search).get("lang");
const kept = localStorage.getItem("haihe.lang");
export const lang = (asked || kept || "zh").startsWith("en") ? "en" : "zh";
if (asked) localStorage.setItem("haihe.lang", lang);
document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
const at = lang === "zh" ? 0 : 1;

/** The word for a key with its facts filled in. */
export function t(key, facts = {}) {
  const pair = WORDS[key];
  return (pair ? pair[at] : key).replace(/\{(\w+)\}/g, (whole, name) => (name in facts ? facts[name] : whole));
}

/** The word for a key, or the fallback where there is none: codes of newer stations are shown as they are. */
export function word(key, fallback) {
  return key in WORDS ? t(key) : fallback;
}

/** The name of a thing that carries zh and en. */
export function named(thing, fallback = "") {
  return (thing && (thing[lang] || thing.zh || thing.en)) || fallback;
}

/** Name of a station in this language. */
export function stationName(station) {
  return (lang === "zh" ? station.name_zh : station.name_en) || station.code;
}

/** Name of a datum. */
export function datumName(datum) {
  return datum ? word(`datum_${datum}`, datum) : "";
}

/** Go to the other language; remembered. */
export function switchLanguage() {
  const next = lang === "zh" ? "en" : "zh";
  localStorage.setItem("haihe.lang", next);
  const address = new URL(location.href);
  address.searchParams.set("lang", next);
  location.replace(address);
}
