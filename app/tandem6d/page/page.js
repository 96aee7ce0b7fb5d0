"use strict";
/* The status page: asks the server once a second by POST /rpc, shows what it says. Everything that comes from
 * the server goes into the page as text (put, make): DUIDs, names and options are what strangers chose. */
(() => {
const SECOND = 1000, SPAN = 300, SPAN_MIN = 60, SLOW_EVERY = 5, RECENT_MAX = 12, FOUND_MAX = 100, PAGES_MAX = 400;
const LATENCY_SPAN = 5;     // seconds a quantile looks back
const id = name => document.getElementById(name);

/* ---- small things ---- */

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content.filter(part => part !== null && part !== undefined));
  return element;
}
const put = (name, ...content) => id(name).replaceChildren(...content);
/* Whole numbers above 2^53 come as decimal text. */
const num = value => value === null || value === undefined ? NaN : Number(value);

function amount(value) {
  const n = num(value);
  if (!isFinite(n)) return "–";
  if (n < 10000) return n.toLocaleString("en", { maximumFractionDigits: n < 10 && n % 1 ? 1 : 0 });
  const units = [[1e18, "×10¹⁸"], [1e15, "×10¹⁵"], [1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]];
  const [scale, unit] = units.find(row => n >= row[0]);
  return (n / scale).toLocaleString("en", { maximumFractionDigits: n / scale < 100 ? 1 : 0 }) + unit;
}
function span(seconds) {
  if (!isFinite(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min" + (s < 600 && s % 60 ? " " + s % 60 + " s" : "");
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s % 3600 / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}
function micro(us) {
  if (!isFinite(us)) return "–";
  if (us < 1000) return us.toFixed(us < 10 ? 1 : 0) + " µs";
  if (us < 1e6) return (us / 1000).toFixed(us < 1e4 ? 1 : 0) + " ms";
  return (us / 1e6).toFixed(1) + " s";
}
/* Ages are told by the server's clock, not by this machine's. */
let clock = NaN;
const age = time => time ? (clock - Date.parse(time)) / 1000 : NaN;
const ago = time => time ? span(age(time)) + " ago" : "never";
const clocktime = time => time ? time.slice(11, 19) + " UTC" : "–";

/* ---- the server ---- */

let callId = 0;
async function send(calls) {
  const body = calls.map(([method, params]) => ({ jsonrpc: "2.0", id: ++callId, method, params: params || {} }));
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 10 * SECOND);
  try {
    const response = await fetch("/rpc", { method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body), signal: stop.signal, cache: "no-store" });
    if (!response.ok) throw new Error("the server answers " + response.status);
    const byId = new Map((await response.json()).map(answer => [answer.id, answer]));
    return body.map(call => byId.get(call.id) || { error: { message: "no answer" } });
  } finally {
    clearTimeout(timer);
  }
}
async function ask(method, params) {
  const [answer] = await send([[method, params]]);
  if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer.result;
}

/* ---- charts ---- */

const SVG = "http://www.w3.org/2000/svg";
function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function roundUp(value) {
  const scale = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find(step => step * scale >= value) * scale;
}

class Chart {
  /* The first `drawn` of the keys are lines, the others numbers. */
  constructor(name, format, least, keys, drawn = keys.length) {
    Object.assign(this, { name, format, least, keys, drawn, points: [] });
  }
  add(time, values, notes = []) {
    this.points.push([time, ...values]);
    while (this.points.length && this.points[0][0] < time - SPAN - 2) this.points.shift();
    put(this.name + "-keys", ...this.keys.map(([title, style], index) => make("div", "key " + style,
      make("b", "", this.format(values[index])), make("span", "", title + (notes[index] ? ": " + notes[index] : "")))));
    this.paint(time);
  }
  paint(now) {
    const box = id(this.name + "-chart"), width = Math.max(box.clientWidth, 120), height = 104, foot = 16;
    let top = this.least;
    for (const point of this.points) for (const value of point.slice(1, this.drawn + 1)) if (value > top) top = value;
    top = roundUp(top);
    const shown = Math.min(SPAN, Math.max(SPAN_MIN, now - this.points[0][0]));
    const x = time => width * (1 - (now - time) / shown), y = value => height - foot - (height - foot - 14) * value / top;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.describe() });
    for (const share of [0, 0.5, 1]) {
      svg.append(draw("line", { x1: 0, x2: width, y1: y(top * share), y2: y(top * share), class: "grid" }));
      if (share) svg.append(draw("text", { x: 0, y: y(top * share) - 3 }, this.format(top * share)));
    }
    svg.append(draw("text", { x: 0, y: height - 2 }, span(shown) + " ago"),
      draw("text", { x: width, y: height - 2, "text-anchor": "end" }, "now"));
    this.keys.slice(0, this.drawn).forEach(([, style], index) => {
      let run = [];
      const flush = () => {
        if (run.length) svg.append(draw("polyline", { class: style, points: run.join(" ") }));
        run = [];
      };
      for (const point of this.points) {
        const value = point[index + 1];
        if (!isFinite(value)) flush();
        else if (point[0] >= now - shown) run.push(x(point[0]).toFixed(1) + "," + y(value).toFixed(1));
      }
      flush();
    });
    box.replaceChildren(svg);
  }
  describe() {
    const last = this.points[this.points.length - 1];
    return this.keys.map(([title], index) => title + " " + this.format(last[index + 1])).join(", ");
  }
}
const rates = new Chart("rate", amount, 10, [["received", "info"], ["answered", "good-line"], ["not answered", "warn-line"]]);
const latency = new Chart("latency", micro, 100, [["half within", "good-line"], ["99 % within", "info"], ["worst since start", "extra"]], 2);
const lag = new Chart("lag", value => micro(value * 1000), 10, [["behind", "extra"]]);
const leases = new Chart("lease", amount, 10, [["in use", "good-line"]]);

/* ---- numbers over time ---- */

const RECEIVED = ["rx_solicit", "rx_request", "rx_confirm", "rx_renew", "rx_rebind", "rx_release", "rx_decline",
  "rx_information_request"];
const ANSWERED = ["tx_advertise", "tx_reply"];
/* What is not for a DHCPv6 server at all is no news. */
const NOISE = /^drop_(frame|ip6|udp|icmp6)_/;
const DROP_TEXT = { server_id_foreign: "for the partner", silent: "state forbids", no_answer: "nothing to say" };

let last = null;        // {time, counters} of the second before
const pictures = [];    // [time, buckets] of the answers' latency
function tellRates(stats, time) {
  const now = { time, counters: stats.counters };
  if (last && time > last.time) {
    const rate = name => Math.max(0, num(now.counters[name] || 0) - num(last.counters[name] || 0)) / (time - last.time);
    const sum = names => names.reduce((total, name) => total + rate(name), 0);
    const drops = Object.keys(now.counters).filter(name => name.startsWith("drop_") && !NOISE.test(name));
    const worst = drops.reduce((most, name) => rate(name) > rate(most) ? name : most, "");
    const reason = worst && rate(worst) ? worst.slice(5) : "";
    rates.add(time, [sum(RECEIVED), sum(ANSWERED), sum(drops)],
      ["", "", DROP_TEXT[reason] || reason.replaceAll("_", " ")]);
  }
  last = now;
}
/* A quantile of what came between two pictures of a histogram. */
function quantile(before, now, share) {
  const old = new Map(before), grown = now.map(([value, count]) => [num(value), num(count) - num(old.get(value) || 0)]);
  const total = grown.reduce((sum, row) => sum + row[1], 0);
  let seen = 0;
  for (const [value, count] of grown) {
    seen += count;
    if (total && seen >= total * share) return value / 1000;
  }
  return NaN;
}
function tellLatency(stats, time) {
  const row = (stats.histograms || []).find(histogram => histogram.name === "answer");
  id("latency").hidden = !row;
  if (!row) return;
  pictures.push([time, row.buckets || []]);
  while (pictures.length > 1 && pictures[0][0] < time - LATENCY_SPAN - 0.5) pictures.shift();
  latency.add(time, [quantile(pictures[0][1], row.buckets, 0.5), quantile(pictures[0][1], row.buckets, 0.99),
    num(row.count) ? num(row.max) / 1000 : NaN]);
}

/* ---- pair ---- */

const GOOD_STATES = ["NORMAL"], BAD_STATES = ["RECOVER", "RECOVER-WAIT", "POTENTIAL-CONFLICT"];
const mood = state => GOOD_STATES.includes(state) ? "good" : BAD_STATES.includes(state) ? "bad" : "warn";

const details = terms => {
  const list = make("dl", "why");
  for (const [title, text] of terms) if (text && text !== "nothing") list.append(make("dt", "", title), make("dd", "", text));
  return list;
};
const facts = (className, rows) => make("dl", className,
  ...rows.filter(([, text]) => text !== null && text !== undefined && text !== "")
    .map(([title, text]) => make("div", "", make("dt", "", title), make("dd", "", String(text)))));

const explained = new Map();    // relation -> failover.explain
function relationView(row, name) {
  const explain = explained.get(row.relation) || {}, connected = row.communications === "ok";
  const end = (title, state, since, extra, kind = mood(state)) => make("div", "end " + kind, make("div", "who", title),
    make("div", "state", state || "not known"), make("div", "who", since ? "for " + span(age(since)) : "", extra));
  const wire = make("div", "wire " + (connected ? "good" : "warn"), make("i"),
    make("span", "", connected ? "in touch" : row.communications));
  const timer = explain.next_timer;
  return make("div", "relation",
    make("div", "ends", end(`${name} · ${row.role}`, row.state, row.since), wire,
      end(`partner · ${row.partner}`, row.partner_state, row.partner_since,
        connected ? "" : ` · last known, heard ${ago(row.last_contact)}`, connected ? mood(row.partner_state) : "warn")),
    details([["Why", explain.why], ["Means", explain.meaning], ["Clients", explain.clients],
      ["Waits for", explain.waiting_for], ["How long", explain.how_long],
      ["Then", timer ? `${timer.what} in ${span(num(timer.in_s))}` : ""],
      ["What to do", (explain.advice || []).join(" · ")]]),
    facts("facts", [["relationship", row.relation], ["to tell the partner", amount(row.waiting)], ["unacknowledged", amount(row.unacked)],
      ["behind", micro(num(row.behind_ms) * 1000)], ["refused", amount(row.refused)], ["given twice", amount(row.conflicts)],
      ["free prefixes here", amount(row.free_own)], ["free at partner", amount(row.free_partner)]]));
}
function tellPair(relations, name, time) {
  id("pair").hidden = id("lag").hidden = relations.length === 0;
  put("relations", ...relations.map(row => relationView(row, name)));
  if (relations.length) lag.add(time, [Math.max(...relations.map(row => num(row.behind_ms)))]);
}

/* ---- alarms and the verdict ---- */

const grave = level => level === "error" ? "bad" : "warn";
function alarmView(row) {
  const when = row.since ? (row.active === false ? `over since ${clocktime(row.cleared)}` : `since ${clocktime(row.since)}, ${span(age(row.since))}`) : "";
  return make("div", `alarm ${grave(row.level)}${row.active === false ? " over" : ""}`,
    make("b", "", row.active === false ? "over" : row.level === "error" ? "✖ error" : "▲ warning"),
    make("p", "", row.text),
    make("span", "", [row.check + (row.subject ? " · " + row.subject : ""), when,
      row.acked ? `seen by ${row.acked_by}${row.comment ? ": " + row.comment : ""}` : ""].filter(part => part).join(" · ")));
}
/* Standing alarms, the server's health among them, and those lately over. */
function tellAlarms(status, list) {
  const rows = list ? list.alarms : [], standing = rows.filter(row => row.active);
  for (const row of status.health || []) {
    if (!standing.some(known => known.check === row.check)) standing.push(row);
  }
  standing.sort((a, b) => (b.level === "error") - (a.level === "error"));
  const over = rows.filter(row => !row.active).sort((a, b) => Date.parse(b.cleared) - Date.parse(a.cleared)).slice(0, 3);
  put("alarm-count", standing.length ? String(standing.length) : "");
  put("alarm-list", ...(standing.length ? [] : [make("p", "calm", "✓ None standing.")]), ...standing.map(alarmView), ...over.map(alarmView));
  return standing;
}
function verdict(kind, title, text) {
  id("verdict").className = kind;
  put("verdict-mark", { good: "✓", warn: "▲", bad: "✖" }[kind]);
  put("verdict-title", title);
  put("verdict-text", text);
  document.title = `${{ good: "✓", warn: "▲", bad: "✖" }[kind]} ${title} – tandem6`;
}
function judge(status, relations, alarms) {
  const troubled = relations.filter(row => row.state !== "NORMAL" || row.communications !== "ok");
  const errors = alarms.filter(row => row.level === "error");
  const where = relations.length ? relations.map(row => row.state).join(", ") : "stands alone";
  const silent = relations.length && relations.every(row => row.service === "none");
  if (status.state !== "serving") verdict("bad", `Not serving: ${status.state}`, "The server answers no client as it should.");
  else if (errors.length) verdict("bad", errors.length === 1 ? "Serving, with an error" : `Serving, with ${errors.length} errors`, errors[0].text);
  else if (silent) verdict("bad", `Silent: ${where}`, "This server leaves the clients to its partner.");
  else if (troubled.length) verdict("warn", troubled.map(row => row.state).join(", "), "Clients are served. The pair is not whole: see why below.");
  else if (alarms.length) verdict("warn", "Serving, with a warning", alarms[0].text);
  else verdict("good", "All is well", relations.length ? "Serving, the pair is in NORMAL." : "Serving, without a partner.");
  put("identity", ...facts("", [["server", status.name || "tandem6"], ["server time", clocktime(status.now)],
    ["up for", span(num(status.uptime_s))]]).children);
}

/* ---- pools ---- */

function poolView(row) {
  const total = num(row.total), used = num(row.used), waiting = num(row.waiting) || 0, share = total ? used / total : NaN;
  const kind = share >= 0.95 ? "bad" : share >= 0.85 ? "warn" : "";
  const fill = make("i"), rest = make("i", "waiting");
  fill.style.width = isFinite(share) ? Math.min(100, share * 100) + "%" : "0";
  rest.style.width = total ? Math.min(100, waiting / total * 100) + "%" : "0";
  const parts = [row.link, row.type === "pd" ? `prefixes /${row.delegated_length}` : "addresses",
    `${amount(used)} of ${amount(total)} in use`];
  if (waiting) parts.push(`${amount(waiting)} resting`);
  if (num(row.declined)) parts.push(`${amount(row.declined)} declined`);
  if (num(row.reserved)) parts.push(`${amount(row.reserved)} reserved`);
  if (row.type === "pd") parts.push(`${amount(row.free)} free here`);
  return make("div", "pool " + kind,
    make("div", "title", make("span", "name code", row.range || row.pool), make("span", "share",
      isFinite(share) ? (share > 0 && share < 0.001 ? "< 0.1" : (share * 100).toFixed(share < 0.1 ? 1 : 0)) + " %" : "counting")),
    make("div", "bar", fill, rest), make("p", "note", parts.join(" · ")));
}
function tellPools(pools) {
  const share = row => num(row.total) ? num(row.used) / num(row.total) || 0 : 0;
  const sorted = [...pools].sort((a, b) => share(b) - share(a));
  put("pool-count", String(pools.length));
  put("pool-list", ...sorted.slice(0, 40).map(poolView),
    ...(sorted.length > 40 ? [make("p", "note", `and ${sorted.length - 40} that are less full`)] : []));
}

/* ---- leases ---- */

const LEASE_MOOD = { active: "good", abandoned: "bad", expired: "warn" };
const ends = lease => !lease.valid_until ? "" : `ends in ${span(-age(lease.valid_until))}`;
const heads = (lease, when) => [make("span", "what code", lease.prefix || lease.address),
  make("span", "tag " + (LEASE_MOOD[lease.state] || "soft"), lease.state.replaceAll("_", " ")),
  make("span", "who", [lease.link, lease.hostname].filter(text => text).join(" · ") + " ", make("span", "code", lease.duid || "")),
  make("span", "when", when)];
const printable = hex => {
  const octets = (hex || "").match(/[0-9a-f]{2}/gi) || [], text = String.fromCharCode(...octets.map(octet => parseInt(octet, 16)));
  return octets.length && /^[\x20-\x7e]+$/.test(text) ? `${hex} (“${text}”)` : hex;
};
const AS_TEXT = ["interface_id", "remote_id", "subscriber_id", "relay_id"];
function leaseView(lease) {
  const all = facts("all", Object.entries(lease).map(([name, value]) => [name.replaceAll("_", " "),
    AS_TEXT.includes(name) ? printable(value) : typeof value === "boolean" ? (value ? "yes" : "no") : value]));
  return make("details", "lease", make("summary", "", ...heads(lease, lease.state === "active" ? ends(lease) : "")), all);
}

const recent = [];      // {lease, time}, newest first
let afterSeq = null;
function tellRecent(answer, startList) {
  if (startList) {
    for (const lease of startList) recent.push({ lease, time: lease.since });
    recent.sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
  }
  for (const event of answer ? answer.events : []) {
    if (event.topic !== "lease" || !event.data.state) continue;
    const resource = event.data.prefix || event.data.address;
    const known = recent.findIndex(row => (row.lease.prefix || row.lease.address) === resource);
    if (known >= 0) recent.splice(known, 1);
    recent.unshift({ lease: event.data, time: event.ts });
  }
  recent.length = Math.min(recent.length, RECENT_MAX);
  put("recent-list", ...(recent.length ? [] : [make("p", "calm", "None yet.")]), ...recent.slice(0, RECENT_MAX).map(({ lease, time }) =>
    make("div", "lease", make("div", "row", ...heads(lease, ago(time))))));
}

/* ---- search ---- */

const HEX_PAIRS = /^([0-9a-f]{2}[:-])+[0-9a-f]{2}$/i, HEX = /^([0-9a-f]{2}){6,130}$/i;
const toHex = text => [...new TextEncoder().encode(text)].map(octet => octet.toString(16).padStart(2, "0")).join("");
/* What a text may mean: calls to make, in order, until one finds something. */
function meanings(text) {
  const given = text.match(/^(duid|iaid|type|link|pool|relay_id|remote_id|interface_id|subscriber_id|state|under)=(.+)$/);
  if (given) return [["lease.list", { filter: { [given[1]]: given[1] === "iaid" ? Number(given[2]) : given[2] } }]];
  if (HEX_PAIRS.test(text) || HEX.test(text)) {
    const hex = text.replaceAll("-", ":");
    return ["duid", "remote_id", "interface_id", "subscriber_id"].map(name => ["lease.list", { filter: { [name]: hex } }]);
  }
  if (text.includes(":")) {
    return text.includes("/") ? [["lease.get", { prefix: text }], ["lease.list", { filter: { under: text } }]]
      : [["lease.get", { address: text }], ["lease.list", { filter: { under: text + "/128" } }]];
  }
  return [["lease.list", { filter: { link: text } }],
    ...["interface_id", "remote_id", "subscriber_id"].map(name => ["lease.list", { filter: { [name]: toHex(text) } }])];
}
const say = text => put("search-note", text);
let searching = 0;
async function listAll(params, mine, found) {
  let cursor = null;
  for (let page = 0; page < PAGES_MAX && mine === searching; page++) {
    const answer = await ask("lease.list", { ...params, limit: FOUND_MAX - found.length, ...(cursor ? { cursor } : {}) });
    found.push(...answer.leases);
    cursor = answer.next_cursor;
    if (!cursor || found.length >= FOUND_MAX) return !cursor;
    if (page) say(`Looking … ${page} parts done, ${found.length} found.`);
  }
  return false;
}
/* Refusals that only say that this is not what was meant. */
const elsewhere = error => [1001, -32602].includes(error.code);
async function search(text) {
  const mine = ++searching, found = [], refusals = [];
  let complete = true;
  put("search-list");
  say("Looking …");
  for (const [method, params] of meanings(text)) {
    try {
      if (method === "lease.get") found.push(await ask(method, params));
      else complete = await listAll(params, mine, found);
    } catch (error) {
      if (!elsewhere(error)) { say(`Not found out: ${error.message}.`); return; }
      refusals.push(error.message);
    }
    if (mine !== searching) return;
    if (found.length) break;
  }
  if (found.length) say(`${found.length} ${found.length === 1 ? "lease" : "leases"}${complete ? "" : "; there may be more"}. Open one for all there is to know.`);
  else say(`Nothing found for “${text}”. ${refusals.length ? "The server says: " + refusals[refusals.length - 1] + "." : ""}`);
  put("search-list", ...found.map(leaseView));
  if (found.length === 1) id("search-list").firstChild.open = true;
}
id("search-form").addEventListener("submit", event => {
  event.preventDefault();
  const text = id("search-text").value.trim();
  searching++;
  put("search-list");
  say("");
  if (text) search(text);
});

/* ---- once a second ---- */

function foot(status, version) {
  const workers = status.workers || [], storage = status.storage, ports = status.ports || [];
  put("foot", ...[version ? `tandem6 ${version.version}` : "", `configuration revision ${status.revision}`,
    `${workers.filter(row => row.alive).length} of ${workers.length} workers run`,
    ports.map(row => `${row.port} ${row.link_up ? "up" : "DOWN"}`).join(", "),
    storage ? `log ${amount(storage.log_bytes)}B, ${storage.healthy ? "healthy" : "not written"}` : ""]
    .filter(text => text).map(text => make("span", "", text)));
}
let turns = 0, version = null, started = null;
async function look() {
  const slow = turns % SLOW_EVERY === 0, first = turns === 0;
  const calls = { status: ["server.status"], stats: ["stats.get", { zeros: false, buckets: true }], pair: ["failover.list"],
    alarms: ["alarm.list"], events: ["events.get", { topics: ["lease"], limit: 2 * RECENT_MAX, ...(afterSeq !== null ? { after_seq: afterSeq } : {}) }] };
  if (slow) calls.pools = ["pool.list"];
  if (first) Object.assign(calls, { version: ["server.version"], start: ["lease.list", { limit: 200, filter: { state: "active" } }] });
  const names = Object.keys(calls), answers = {};
  (await send(Object.values(calls))).forEach((answer, index) => { answers[names[index]] = answer.result; if (answer.error && names[index] === "status") throw new Error(answer.error.message); });
  const { status, stats } = answers, relations = answers.pair ? answers.pair.relations : [], time = performance.now() / 1000;
  clock = Date.parse(status.now);
  version = answers.version || version;
  if (started && started !== status.started) { last = null; pictures.length = 0; }
  started = status.started;
  const stale = relations.filter(row => slow || (explained.get(row.relation) || {}).state !== row.state);
  (await (stale.length ? send(stale.map(row => ["failover.explain", { relation: row.relation }])) : []))
    .forEach((answer, index) => { if (answer.result) explained.set(stale[index].relation, answer.result); });
  tellPair(relations, status.name || "this server", time);
  judge(status, relations, tellAlarms(status, answers.alarms));
  if (stats) { tellRates(stats, time); tellLatency(stats, time); }
  leases.add(time, [num((status.leases.by_state || {}).active || 0)], [`room for ${amount(status.leases.max)}`]);
  if (answers.pools) tellPools(answers.pools.pools);
  /* At rates that no eye follows, only the newest are shown. */
  if (answers.events) afterSeq = Math.max(num(answers.events.last_seq), num(answers.events.newest_seq) - 2 * RECENT_MAX);
  tellRecent(answers.events, answers.start && !answers.start.next_cursor ? answers.start.leases : null);
  put("recent-note", answers.start && answers.start.next_cursor ? "Those that change from now on." : id("recent-note").textContent);
  foot(status, version);
  turns++;
}
let lost = 0;       // when the server was last there
async function round() {
  const begin = performance.now();
  try {
    await look();
    lost = 0;
  } catch (error) {
    lost = lost || begin;
    verdict("bad", "No answer from the server", `For ${span((performance.now() - lost) / 1000)}: ${error.message}. What is below is old.`);
  }
  setTimeout(round, Math.max(200, SECOND - (performance.now() - begin)));
}
round();
})();
