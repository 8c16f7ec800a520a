// The page of the inspector. What requests carry becomes nodes in `text.js`.
"use strict";

const $ = (id) => document.getElementById(id);
const requests = new Map(); // number -> { line, node }
const KEPT = 500;
let chosen = null;
let paused = null; // what came meanwhile, see `hold`
let cleared = 0; // requests up to this number are not shown
const missed = { events: 0, requests: 0 }; // what was lost on the way, and what gave way during a pause
let awaited = null; // the number of a request that was sent again, and whose repetition is to be shown

function status(line) {
  const text = line.status ?? (line.finished || line.error ? "–" : "…");
  return element("span", { class: `status s${Math.floor((line.status ?? 0) / 100)}` }, String(text));
}

// The list

function row(line) {
  const marks = [
    line.trapped ? ["bad", "trap"] : null,
    line.broken ? ["bad", "cut"] : null,
    line.incomplete ? ["bad", "incomplete"] : null,
    line.resent ? ["", `again ${line.resent}`] : null,
    line.calls ? ["", line.calls === 1 ? "1 call" : `${line.calls} calls`] : null,
  ].filter(Boolean).map(([kind, text]) => element("span", { class: `mark ${kind}` }, text));
  const current = String(line.number === chosen);
  return element("a", { class: "row", href: `#${line.number}`, "aria-current": current, title: `${line.method} ${line.path}` },
    status(line),
    element("span", { class: "what" }, element("span", {}, element("b", {}, line.method), ` ${line.path}`), ...marks),
    element("span", { class: "size" }, size(line.bytes)),
    element("span", {}, line.finished ? time(line.duration) : "…"));
}

function show(line) {
  const known = requests.get(line.number);
  if (known) {
    const focused = known.node.contains(document.activeElement);
    known.line = line;
    known.node.replaceChildren(row(line));
    if (focused) known.node.firstChild.focus();
  } else {
    const node = element("li", {}, row(line));
    requests.set(line.number, { line, node });
    // The newest comes first; requests that came at the same time may be told of in any order.
    const below = [...$("requests").children].find((other) => Number(other.dataset.number) < line.number);
    node.dataset.number = line.number;
    $("requests").insertBefore(node, below ?? null);
  }
  filter(requests.get(line.number));
}

function filter({ line, node }) {
  const wanted = $("filter").value.trim().toLowerCase();
  const text = `${line.method} ${line.path} ${line.status ?? ""}`.toLowerCase();
  node.hidden = !wanted.split(/\s+/).every((word) => text.includes(word));
}

function trim() {
  for (const number of [...requests.keys()].sort((a, b) => a - b)) {
    if (requests.size <= KEPT && number > cleared) break;
    requests.get(number).node.remove();
    requests.delete(number);
  }
  $("none").hidden = requests.size > 0;
}

function apply(update) {
  $("target").replaceChildren(...visible(update.target));
  $("saved-where").textContent = update.tests;
  build(update.build);
  missed.events = update.missed;
  tellMissed();
  for (const line of update.requests) {
    if (line.number > cleared) show(line);
    if (awaited !== null && line.resent === awaited.of && line.number > awaited.after && line.finished) {
      awaited = null;
      location.hash = `#${line.number}`;
    }
  }
  trim();
  if (update.requests.some((line) => line.number === chosen)) load();
}

function tellMissed() {
  const parts = [];
  if (missed.requests) parts.push(`${missed.requests} older requests gave way during the pause.`);
  if (missed.events) parts.push(`${missed.events} events came too fast and were lost: requests may be missing or incomplete.`);
  $("missed").hidden = parts.length === 0;
  $("missed").textContent = parts.join(" ");
}

function build(build) {
  const node = $("build");
  $("broken").hidden = build?.state !== "failed";
  node.className = build?.state ?? "";
  node.textContent = build === null ? "" : { running: "building …", ready: `build ${build.number} answers`, failed: "does not compile" }[build.state];
  if (build?.message) $("broken").lastElementChild.replaceChildren(...visible(build.message));
}

// One request

function facts(pairs) {
  const list = pairs.filter(([, value]) => value !== null && value !== undefined);
  return element("dl", { class: "facts" }, ...list.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function fields(list) {
  if (list.length === 0) return element("p", { class: "note" }, "no fields");
  return element("table", {}, element("tbody", {}, ...list.map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)))));
}

/** The body as it was sent, and laid out where it is JSON. */
function body(message) {
  if (message.total === 0) return [];
  const nodes = [];
  const kept = message.kept < message.total ? `, of which the first ${size(message.kept)} were kept` : "";
  const pre = element("pre", { class: "body", tabIndex: 0 });
  const heading = element("h3", {}, "Body", element("small", {}, `${size(message.total)}${kept}`));
  nodes.push(heading, pre);
  if (message.text === undefined) {
    pre.textContent = hexadecimal(message.base64);
    return nodes;
  }
  const show = (text) => pre.replaceChildren(...visible(text));
  show(message.text);
  const type = message.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (/[/+]json\b/.test(type) && !kept) {
    try {
      const laidOut = JSON.stringify(JSON.parse(message.text), null, 2);
      const button = element("button", { type: "button" }, "As sent");
      button.addEventListener("click", () => {
        const asSent = button.textContent === "As sent";
        show(asSent ? message.text : laidOut);
        button.textContent = asSent ? "Laid out" : "As sent";
      });
      show(laidOut);
      heading.append(button);
    } catch {
      // It is no JSON, whatever its type says.
    }
  }
  return nodes;
}

function message(name, message, note) {
  const trailers = message.trailers?.length ? [element("h3", {}, "Trailers"), fields(message.trailers)] : [];
  return [element("h3", {}, name, note ? element("small", {}, note) : null), fields(message.headers), ...body(message), ...trailers];
}

/** Whether the component worked after the end of the response, for longer than it takes to end. */
function worked(one) {
  return one.finished && one.ended !== null && one.duration - one.ended >= 1;
}

/** When what happened: the request, and below it its calls. */
function times(one) {
  const calls = one.made.map((call) => call.after + call.duration);
  const all = Math.max(one.duration, ...calls, 0.001);
  const bar = (...parts) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 1000 10");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const [kind, from, length] of parts) {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("class", kind);
      rect.setAttribute("x", (from / all) * 1000);
      rect.setAttribute("width", Math.max((length / all) * 1000, 2));
      rect.setAttribute("height", 10);
      svg.append(rect);
    }
    return svg;
  };
  const head = one.head ?? one.duration;
  const end = one.ended ?? one.duration;
  const parts = [["head-time", 0, head], ["body-time", head, end - head]];
  if (worked(one)) parts.push(["work-time", end, one.duration - end]);
  const rows = [["this request", bar(...parts), one.duration],
    ...one.made.map((call) => [`${call.method} ${call.url}`, bar(["call-time", call.after, call.duration]), call.duration])];
  return element("div", { class: "times" },
    ...rows.flatMap(([name, svg, took]) => [
      element("span", { class: "name", title: name }, name), svg, element("span", { class: "time" }, time(took))]),
    element("div", { class: "legend" }, element("span", {}, "until the head"), element("span", { class: "b" }, "until the end"),
      worked(one) ? element("span", { class: "w" }, "work after it") : null,
      one.made.length ? element("span", { class: "c" }, "calls") : null));
}

function call(call) {
  return element("details", {},
    element("summary", {}, status(call), element("span", {}, `${call.method} ${call.url}`), element("small", {}, time(call.duration))),
    element("div", {},
      call.error ? element("p", { class: "note" }, `It failed: ${call.error}`) : null,
      ...message("Request", call.request),
      ...(call.error ? [] : message("Response", call.response, call.end === "whole" ? null : call.end))));
}

/** Why the request cannot be sent again or saved, which is often the same. */
function objections({ unrepeatable, unsavable }) {
  if (unsavable === null) return null;
  const what = unrepeatable === null ? "It cannot be saved as a test" : "It can neither be sent again nor be saved as a test";
  return element("p", { class: "note" }, `${what}: ${unsavable}.`);
}

function whole(one) {
  const resend = element("button", { type: "button", id: "resend", disabled: one.unrepeatable !== null }, "Send again");
  resend.addEventListener("click", () => sendAgain(one.number));
  const save = element("button", { type: "button", id: "save", disabled: one.unsavable !== null }, "Save as a test");
  save.addEventListener("click", () => saveAsTest(one.number));
  const left = one.calls - one.made.length;
  return [
    element("div", { class: "title" },
      element("a", { class: "button back", href: "#" }, "← All"),
      element("h2", {}, `${one.method} ${one.url}`),
      element("div", { class: "tools" }, resend, save)),
    facts([
      ["Status", status(one)],
      ["Took", one.finished ? time(one.ended ?? one.duration) : "…"],
      ["Work after", worked(one) ? time(one.duration - one.ended) : null],
      ["Busy", one.finished ? time(one.busy) : null],
      ["Memory", one.memory === null ? null : size(one.memory)],
      ["Fuel", one.fuel === null ? null : String(one.fuel)],
      ["Began", new Date(one.started).toLocaleTimeString()],
      ["Repeats", one.resent === null ? null : element("a", { href: `#${one.resent}` }, `request ${one.resent}`)],
    ]),
    one.finished ? objections(one) : null,
    one.incomplete ? element("p", { class: "note" }, "Some of its events were lost: calls and output may be missing.") : null,
    one.trap ? element("pre", { class: "trap", tabIndex: 0 }, `The component trapped: ${one.trap}`) : null,
    element("h3", {}, "Time"), times(one),
    ...message("Request", one.request),
    ...(one.status === null ? [] : message("Response", one.response, one.end === "whole" ? null : one.end)),
    ...(one.calls ? [element("h3", {}, "Calls", left > 0 ? element("small", {}, `${left} more go on or were not kept`) : null)] : []),
    ...one.made.map(call),
    ...(one.logs.length ? [element("h3", {}, "Output"),
      element("pre", { class: "log", tabIndex: 0 }, ...one.logs.map((log) => element("span", { class: log.stream }, log.text)))] : []),
    one.unlogged ? element("p", { class: "note" }, `${size(one.unlogged)} more were not kept.`) : null,
  ].filter(Boolean);
}

let loading = 0;

async function load() {
  const detail = $("detail");
  document.body.classList.toggle("chosen", chosen !== null);
  $("choose").hidden = chosen !== null;
  detail.hidden = chosen === null;
  if (chosen === null) return;
  const mine = ++loading;
  const response = await fetch(`requests/${chosen}`);
  // Another request may have been chosen meanwhile.
  if (mine !== loading) return;
  if (!response.ok) {
    detail.replaceChildren(element("a", { class: "button back", href: "#" }, "← All"),
      element("p", { class: "note" }, "This request is not kept any more."));
    return;
  }
  const one = await response.json();
  if (mine !== loading) return;
  const open = [...detail.querySelectorAll("details")].map((node) => node.open);
  const focused = detail.contains(document.activeElement) ? document.activeElement.id : "";
  const same = detail.dataset.number === String(one.number);
  detail.replaceChildren(...whole(one));
  detail.dataset.number = one.number;
  if (same) {
    detail.querySelectorAll("details").forEach((node, index) => { node.open = open[index] ?? false; });
    if (focused) $(focused)?.focus();
  } else {
    detail.scrollTop = 0;
  }
}

function choose() {
  const number = Number(location.hash.slice(1));
  const before = requests.get(chosen);
  chosen = number > 0 ? number : null;
  before?.node.firstChild.setAttribute("aria-current", "false");
  requests.get(chosen)?.node.firstChild.setAttribute("aria-current", "true");
  requests.get(chosen)?.node.scrollIntoView({ block: "nearest" });
  load();
}

// What can be done

function say(text) {
  $("said").replaceChildren(...visible(text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("said").textContent = ""; }, 4000);
}

async function reasonOf(response) {
  const problem = await response.json().catch(() => ({}));
  return problem.detail ?? problem.title ?? `status ${response.status}`;
}

async function sendAgain(number) {
  awaited = { of: number, after: Math.max(...requests.keys()) };
  const response = await fetch(`requests/${number}/resend`, { method: "POST" });
  if (response.ok) {
    say(`Sent again: ${(await response.json()).status}`);
  } else {
    awaited = null;
    say(`Not sent: ${await reasonOf(response)}`);
  }
}

async function saveAsTest(number) {
  const response = await fetch(`requests/${number}/test.rs`);
  if (!response.ok) {
    say(`Not saved: ${await reasonOf(response)}`);
    return;
  }
  const text = await response.text();
  const dialog = $("saved");
  dialog.querySelector("pre").textContent = text;
  const name = /async fn (\w+)/.exec(text)?.[1] ?? "saved";
  $("download").href = `requests/${number}/test.rs`;
  $("download").download = `${name}.rs`;
  dialog.showModal();
}

$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("saved").querySelector("pre").textContent);
  say("Copied");
});
$("close").addEventListener("click", () => $("saved").close());
$("clear").addEventListener("click", () => {
  cleared = Math.max(cleared, ...requests.keys());
  missed.requests = 0;
  tellMissed();
  trim();
  location.hash = "#";
});

const nothingHeld = () => ({ update: null, lines: new Map(), floor: 0, gone: 0 });

/** Keeps what comes during a pause: the newest state of each of the newest requests, and how many gave way. */
function hold(update) {
  paused.update = update;
  for (const line of update.requests) {
    if (line.number > paused.floor) paused.lines.set(line.number, line);
  }
  const numbers = [...paused.lines.keys()].sort((a, b) => a - b);
  for (const number of numbers.slice(0, Math.max(0, numbers.length - KEPT))) {
    paused.lines.delete(number);
    paused.floor = number;
    if (!requests.has(number)) paused.gone += 1;
  }
  const come = paused.gone + [...paused.lines.keys()].filter((number) => !requests.has(number)).length;
  $("pause").textContent = come ? `Pause (${come} new)` : "Pause";
}

function resume() {
  const { update, lines, gone } = paused;
  paused = null;
  missed.requests = gone;
  if (update) apply({ ...update, requests: [...lines.values()] });
}

$("pause").addEventListener("click", () => {
  if (paused === null) paused = nothingHeld();
  else resume();
  $("pause").textContent = "Pause";
  $("pause").setAttribute("aria-pressed", String(paused !== null));
});
$("filter").addEventListener("input", () => requests.forEach(filter));
addEventListener("hashchange", choose);
addEventListener("keydown", (event) => {
  const typing = document.activeElement === $("filter");
  if ($("saved").open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    event.preventDefault();
    $("filter").focus();
  } else if (event.key === "Escape") {
    location.hash = "#";
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !$("detail").contains(document.activeElement)) {
    const shown = [...$("requests").children].filter((node) => !node.hidden);
    const here = shown.findIndex((node) => Number(node.dataset.number) === chosen);
    const next = shown[event.key === "ArrowDown" ? here + 1 : Math.max(here, 1) - 1];
    if (next) {
      event.preventDefault();
      location.hash = `#${next.dataset.number}`;
      next.firstChild.focus();
    }
  }
});

const source = new EventSource("updates");
source.addEventListener("open", () => {
  // After a break the server may be another one, whose requests have numbers of their own.
  requests.forEach(({ node }) => node.remove());
  requests.clear();
  cleared = 0;
  if (paused !== null) paused = nothingHeld();
});
source.addEventListener("message", (event) => {
  const update = JSON.parse(event.data);
  if (paused === null) apply(update);
  else hold(update);
});
source.addEventListener("error", () => {
  $("build").className = "lost";
  $("build").textContent = "no connection; trying again";
});
choose();
