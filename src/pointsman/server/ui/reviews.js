// The reviewers' page: a queue that stays fresh, one ticket, and the form of a decision.

import { block, button, countdown, element, json, meter, percent, spoken, tick, time } from "./text.js";

const REVIEWS = new URL("../v1/reviews", location.href).href;
const REFRESH_MS = 4000, SLOWEST_MS = 60000, PAGE = 100;
const KEPT = "pointsman.key"; // in sessionStorage: this tab's, gone with it

const WHY = {
  no_answer: "no model answered", low_confidence: "no answer is likely enough to be right", approval: "the route wants approval",
  sample: "drawn for a look", unmet_floor: "no model keeps what the route demands", outage: "no model could be reached",
};
const EXPIRY = {
  deny: "then there is no answer", release: "then the likeliest answer goes out", escalate: "then it is asked again, more urgently",
};
const DEEDS = {
  approve: { title: (of) => `Approve ${of} as it is`, confirm: "Approve", done: "Approved" },
  edit: { title: (of) => `Edit ${of}`, confirm: "Release the edited answer", done: "Released with changes" },
  answer: { title: () => "Answer in your own words", confirm: "Send this answer", done: "Answered" },
  reject: { title: () => "Reject: nothing goes out", confirm: "Reject", done: "Rejected" },
};

const $ = (id) => document.getElementById(id);
const form = { words: $("words"), calls: $("calls"), note: $("note") };
const drafts = new Map(); // of a ticket's id: what is being written for it; in memory only
const me = { key: null, id: "" };
let tickets = null, pages = 1, shown = null, timer = 0, wait = REFRESH_MS, asked = 0, reading = 0;

// Messages

function say(text) {
  $("alert").textContent = "";
  $("status").textContent = text;
}

function warn(text) {
  $("status").textContent = "";
  $("alert").replaceChildren(...spoken(text));
}

// The gateway

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: nothing was heard
  }
}

async function ask(method, path, body) {
  const headers = { authorization: `Bearer ${me.key}`, ...(body && { "content-type": "application/json" }) };
  const settings = { method, headers, body: body && JSON.stringify(body), cache: "no-store", credentials: "omit", redirect: "error" };
  let response, said;
  try {
    response = await fetch(REVIEWS + path, { ...settings, signal: AbortSignal.timeout(20000) });
    said = await response.json();
  } catch {
    throw new Refused(response && !response.ok ? response.status : 0, "the gateway cannot be reached, or does not answer in its words");
  }
  if (response.ok) return said;
  throw new Refused(response.status, said?.error?.message ?? `the gateway answers ${response.status}`);
}

function fail(error) {
  if (error.status === 401) leave(error.message);
  else warn(error.message);
}

// Who

function enter(key) {
  Object.assign(me, { key, id: /^pm_([a-z2-7]{12})_/.exec(key)?.[1] ?? "env" }); // the operator's own key is called so
  return ask("GET", `?limit=${PAGE}`).then(() => {
    sessionStorage.setItem(KEPT, key);
    $("me").textContent = me.id;
    $("door").hidden = true;
    $("desk").hidden = false;
    view();
    return refresh();
  });
}

function leave(why = "") {
  sessionStorage.removeItem(KEPT);
  clearTimeout(timer);
  drafts.clear();
  Object.assign(me, { key: null, id: "" });
  tickets = null;
  shown = null;
  asked += 1; // what is still under way is not shown any more
  reading += 1;
  for (const id of ["queue", "ticket", "routes", "labels"]) $(id).replaceChildren();
  for (const box of [$("key"), $("route"), $("label"), ...Object.values(form)]) box.value = "";
  $("decision").hidden = $("desk").hidden = true;
  $("door").hidden = false;
  document.title = "Reviews";
  if (why) warn(why);
  else say("");
  $("key").focus();
}

// The queue

async function page() {
  const query = new URLSearchParams({ limit: PAGE });
  if ($("state").value) query.set("state", $("state").value);
  if ($("route").value) query.set("route", $("route").value);
  if ($("mine").checked) query.set("assignee", "me");
  let found = [], next = "";
  for (let n = 0; n < pages && next !== null; n++) {
    if (next) query.set("after", next);
    const said = await ask("GET", `?${query}`);
    found = found.concat(said.data);
    next = said.next;
  }
  return { found, next };
}

/** Read the queue again, and the ticket on view where it has changed; then once more in a while. */
async function refresh() {
  clearTimeout(timer);
  const turn = ++reading;
  try {
    if (document.visibilityState === "visible") {
      const { found, next } = await page();
      if (turn !== reading) return; // asked again since, with other filters or by somebody else
      list(found, next);
      const now = found.find((ticket) => ticket.id === shown?.id);
      if (shown && !ended(shown) && now?.version !== shown.version) await load(shown.id);
    }
    if (wait > REFRESH_MS) say("The gateway answers again.");
    wait = REFRESH_MS;
    $("fresh").textContent = "live";
  } catch (error) {
    if (turn !== reading) return;
    // Once, not at every try, and not in place of what somebody has yet to read.
    if (error.status === 401 || (wait === REFRESH_MS && !$("alert").textContent)) fail(error);
    wait = Math.min(2 * wait, SLOWEST_MS);
    $("fresh").textContent = `not fresh, next try in ${wait / 1000} s`;
  }
  if (turn === reading) timer = setTimeout(refresh, wait);
}

function list(found, next) {
  const known = new Set((tickets ?? found).map((ticket) => ticket.id));
  const fresh = found.filter((ticket) => !known.has(ticket.id)).length;
  tickets = found;
  const label = $("label").value;
  const visible = found.filter((ticket) => !label || ticket.labels.includes(label));
  const held = document.activeElement?.closest("#queue a")?.hash; // whoever is in the queue stays there
  $("queue").replaceChildren(...visible.map(entry));
  if (held) [...$("queue").querySelectorAll("a")].find((link) => link.hash === held)?.focus();
  $("empty").hidden = visible.length > 0;
  $("more").hidden = next === null;
  offer("routes", found.map((ticket) => ticket.route));
  offer("labels", found.flatMap((ticket) => ticket.labels));
  document.title = `(${visible.length}${next === null ? "" : "+"}) Reviews`;
  if (fresh && !$("alert").textContent) say(fresh === 1 ? "One more ticket." : `${fresh} more tickets.`);
}

function offer(id, names) {
  const options = [...new Set(names)].sort().map((name) => Object.assign(element("option"), { value: name }));
  $(id).replaceChildren(...options);
}

function entry(ticket) {
  const link = element(
    "a", `ticket ${ended(ticket) ? "ended" : ""}`,
    element("span", "line", element("b", "", ticket.route), ended(ticket) ? null : countdown(ticket)),
    element("span", "line hint", WHY[ticket.why] ?? ticket.why),
    element("span", "chips", stands(ticket), ticket.priority ? chip(`priority ${ticket.priority}`) : "", ticket.labels.map(labelled)),
  );
  link.href = `#${encodeURIComponent(ticket.id)}`;
  return element("li", "", current(link));
}

function current(link) {
  if (link.hash === location.hash) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  return link;
}

const ended = (ticket) => !["open", "claimed"].includes(ticket.state);
const mine = (ticket) => ticket.assignee === me.id;
const called = (ticket, key) => (Object.hasOwn(ticket.names, key) ? ticket.names[key] : key);
const named = (ticket, key) => (key === me.id ? "you" : called(ticket, key));
const chip = (...words) => element("span", "chip", ...words);
const labelled = (label) => element("span", "chip label", label);
const stands = (ticket) =>
  element("span", `chip state ${mine(ticket) ? "own" : ""}`, ticket.state, ticket.assignee && ` by ${named(ticket, ticket.assignee)}`);

// One ticket

function wanted() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** Show the ticket that the address names. */
async function view() {
  const id = wanted();
  shown = null;
  say("");
  $("decision").hidden = true;
  $("ticket").replaceChildren(element("p", "hint", id ? "Reading…" : "Choose a ticket."));
  for (const link of $("queue").querySelectorAll("a")) current(link);
  if (!id) return;
  try {
    await load(id);
    if (shown) $("ticket").querySelector("h2").focus();
  } catch (error) {
    fail(error);
  }
}

async function load(id) {
  const mark = ++asked;
  try {
    const found = await ask("GET", `/${encodeURIComponent(id)}`);
    if (mark !== asked || id !== wanted()) return;
    const before = shown;
    show(found);
    // Somebody ended it while this one was still writing.
    if (before?.id === id && !ended(before) && ended(found) && drafts.has(id) && found.resolution?.by !== me.id) warn(outrun(found));
  } catch (error) {
    if ([403, 404].includes(error.status) && id === wanted()) { // not, or no longer, for these eyes
      shown = null;
      $("ticket").replaceChildren();
      $("decision").hidden = true;
    }
    throw error;
  }
}

function show(ticket) {
  shown = ticket;
  const title = element("h2", "", ticket.route, ": ", WHY[ticket.why] ?? ticket.why);
  title.tabIndex = -1;
  const focused = document.activeElement?.dataset.deed;
  const part = (heading, ...found) => element("section", "", element("h3", "", heading), found);
  $("ticket").replaceChildren(
    title, ...notices(ticket), facts(ticket), buttons(ticket),
    part("What was asked", ticket.request ? request(ticket) : null),
    part("Answers so far", ticket.answers.length ? ticket.answers.map(proposal) : element("p", "hint", "None.")),
    part("What happened", element("ol", "history", history(ticket))),
  );
  if (focused) $("ticket").querySelector(`[data-deed="${CSS.escape(focused)}"]`)?.focus();
  draw();
}

function notices(ticket) {
  const told = [];
  if (ticket.erased) told.push("The words of this ticket were destroyed: it can be answered or rejected, not approved.");
  if (ticket.why === "sample") told.push("The client has had its answer: this is a look at its quality.");
  if (ticket.approval) told.push("Nothing goes out but what a person approves.");
  if (!ended(ticket) && ticket.assignee && !mine(ticket)) told.push(`${ticket.assignee} is at it.`);
  return told.map((text) => element("p", "notice", text));
}

function facts(ticket) {
  const due = ended(ticket) ? time(ticket.deadline_at) : [countdown(ticket), ` left, ${EXPIRY[ticket.on_expiry] ?? ticket.on_expiry}`];
  const rows = [
    ["State", stands(ticket)], ["Due", due], ["Priority", ticket.priority],
    ["Labels", ticket.labels.length ? ticket.labels.map(labelled) : "none"], ["Task", ticket.task],
    ["Asked", ["by key ", called(ticket, ticket.key) || "of the operator", ticket.org && ` of ${ticket.org}`, ticket.team && ` / ${ticket.team}`]],
    ["Ticket", element("code", "", ticket.id)], ["Decision", element("code", "", ticket.decision)],
  ];
  return element("dl", "facts", rows.map(([name, value]) => element("div", "", element("dt", "", name), element("dd", "", value))));
}

function deed(name, label, run, kind = "") {
  const made = button(label, kind, run);
  made.dataset.deed = name;
  return made;
}

function buttons(ticket) {
  const made = [];
  if (ended(ticket)) return "";
  if (!ticket.assignee) made.push(deed("claim", "Claim", () => act("claim", {}, "Claimed: it is yours"), "main"));
  else made.push(deed("release", mine(ticket) ? "Give back" : "Take back (admins)", () => act("release", {}, "Given back")));
  if (!ticket.assignee || mine(ticket)) {
    made.push(deed("answer", "Answer…", () => begin("answer")), deed("reject", "Reject…", () => begin("reject"), "no"));
  }
  return element("div", "row", made);
}

/** Who speaks and what is said, in whichever API it was asked. */
function turns({ api, request: body }) {
  const many = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [{ role: "user", content: value }]);
  const system = (value) => (value === undefined ? [] : [{ role: "system", content: value }]);
  if (api === "responses") return [...system(body.instructions), ...many(body.input)];
  if (api === "completions" || api === "embeddings") return [].concat(body.prompt ?? body.input ?? []).map((text) => ({ content: text }));
  return [...system(body.system), ...many(body.messages)];
}

function content(value) {
  if (value === null || value === undefined) return [];
  if (typeof value === "string") return [block(value)];
  if (Array.isArray(value)) return value.flatMap(content);
  const { type, text, ...rest } = Object(value);
  if (typeof text === "string") return [block(text), Object.keys(rest).length ? data({ type, ...rest }) : null];
  return [data(value)];
}

/** What is no text, as JSON, long strings shortened. Pictures are not shown: an address would be asked for by being shown. */
function data(value) {
  const short = (_, item) => (item?.length > 2000 && item.slice ? `${item.slice(0, 80)}… (length ${item.length})` : item);
  return element("pre", "words data", JSON.stringify(value, short, 2));
}

function request(ticket) {
  const said = turns(ticket).map((turn) => {
    const { role, content: words, ...rest } = Object(turn);
    const more = Object.keys(rest).length ? data(rest) : null;
    if (typeof turn === "string") return element("div", "turn", block(turn));
    return element("div", "turn", element("h4", "", role ?? rest.type ?? "user"), content(words), more);
  });
  const whole = element("details", "", element("summary", "", "The request as it was sent"));
  whole.addEventListener("toggle", () => whole.append(element("pre", "words data", json(ticket.request))), { once: true });
  return [...said, whole];
}

function said({ text, refusal, tool_calls }) {
  return [
    text ? block(text) : null,
    refusal ? [element("p", "hint", "It refuses:"), block(refusal)] : null,
    tool_calls.map((call) => [
      element("p", "hint", "Calls the tool ", element("code", "", call.name)), element("pre", "words data", call.arguments),
    ]),
    text || refusal || tool_calls.length ? null : element("p", "hint", "It says nothing."),
  ];
}

function proposal(found) {
  const { call, model, confidence, answer } = found;
  const likely = element("span", "", meter(confidence, "confidence"), percent(confidence));
  const free = !ended(shown) && (!shown.assignee || mine(shown));
  return element(
    "div", "card",
    element("h4", "line", element("span", "", `${call}. `, model), likely),
    element("p", "hint", found.why, answer.finish_reason && ` (ended with ${answer.finish_reason})`),
    said(answer),
    found.grades.length ? element("table", "", element("caption", "", "Checks"), element("tbody", "", found.grades.map(grade))) : null,
    free
      ? element(
          "div", "row",
          deed(`approve ${call}`, "Approve…", () => begin("approve", found), "yes"),
          deed(`edit ${call}`, "Edit…", () => begin("edit", found)),
        )
      : null,
  );
}

function grade({ check, value, reason }) {
  const opinion = [meter(value, check), value === null ? "no opinion" : percent(value)];
  return element("tr", "", element("th", "", check), element("td", "", opinion), element("td", "", reason));
}

function history(ticket) {
  const done = ticket.resolution;
  const whose = done?.model && [`, answer ${done.call} of `, done.model, done.edited ? ", edited" : ""];
  const events = [
    [time(ticket.created_at), " opened: ", ticket.reason],
    ...ticket.failures.map(({ call, model, code, check }) => [
      call ? `call ${call}: ` : "not asked: ", model, ` failed: ${code}`, check && `: ${check}`,
    ]),
    ...ticket.offered.map(({ call, model, confidence }) => [`call ${call}: `, model, ` answered, ${percent(confidence)}`]),
    ticket.state === "claimed" && ["claimed by ", named(ticket, ticket.assignee)],
    ended(ticket) && [ticket.state, done?.by && ` by ${named(ticket, done.by)}`, whose],
    done?.note && ["note: ", done.note],
    ticket.answer && ["what the client may have:", said(ticket.answer)],
  ];
  return events.filter(Boolean).map((words) => element("li", "", words));
}

// Deciding

/** Do something with the ticket on view; whether it was done. */
async function act(name, body, done) {
  const id = shown.id;
  try {
    const after = await ask("POST", `/${encodeURIComponent(id)}/${name}`, body);
    asked += 1; // what was asked before is old
    if (id === wanted()) show(after);
    say(`${done}.`);
    return true;
  } catch (error) {
    if (error.status === 401) leave(error.message);
    else await lost(id, error);
    return false;
  } finally {
    if (me.key) refresh();
  }
}

/** What is said of words that were not sent. */
const unsent = (id) => (drafts.has(id) ? " What you wrote is still here, and was not sent." : "");

/** Who was faster with a ticket, as it now stands. */
function outrun(ticket) {
  const who = ended(ticket) ? ticket.resolution?.by : ticket.assignee;
  const faster = who === me.id ? "You were faster, in another window" : `${(who && called(ticket, who)) || "Somebody"} was faster`;
  const by = who && !ended(ticket) ? ` by ${called(ticket, who)}` : "";
  return `${faster}: the ticket is ${ticket.state}${by}.${unsent(ticket.id)}`;
}

/** Tell why it was not done: who was faster, if somebody was. Nothing that was written is lost. */
async function lost(id, error) {
  await load(id).catch(() => null);
  const lapsed = shown?.id === id && (shown.resolution?.by === "pointsman" || (!ended(shown) && !shown.assignee));
  if (error.status === 409 && shown?.id === id && !lapsed) {
    warn(outrun(shown));
  } else if (error.status === 0) {
    warn(`${error.message}: look below whether it was done before you try again.${unsent(id)}`);
  } else {
    warn(`${error.message}.${unsent(id)}`);
  }
}

/** Open the form of a decision. Who decides has the ticket: it is claimed first. */
async function begin(name, found) {
  const id = shown.id, kept = drafts.get(id);
  if (!shown.assignee && !(await act("claim", {}, "Claimed: it is yours"))) return;
  if (shown?.id !== id) return;
  const calls = found?.answer.tool_calls ?? [];
  const same = kept?.name === name && kept.call === found?.call;
  drafts.set(id, same ? kept : {
    name, call: found?.call, title: DEEDS[name].title(found ? `answer ${found.call} of ${found.model}` : ""),
    words: found?.answer.text ?? "", calls: calls.length ? json(calls) : "", note: "", sent: false,
  });
  draw(true);
  (["edit", "answer"].includes(name) ? form.words : form.note).focus();
}

/** The form of the ticket on view, if something is being written for it. */
function draw(anew = false) {
  const draft = shown && drafts.get(shown.id);
  const wasHidden = $("decision").hidden;
  $("decision").hidden = !draft;
  if (!draft) return;
  const writes = ["edit", "answer"].includes(draft.name);
  $("decision-title").replaceChildren(...spoken(draft.title));
  $("words-row").hidden = !writes;
  $("calls-row").hidden = !writes || !(draft.calls || shown.request?.tools);
  $("confirm").textContent = DEEDS[draft.name].confirm;
  $("confirm").className = draft.name === "reject" ? "no" : "main";
  $("confirm").disabled = draft.sent || ended(shown) || !mine(shown); // once, however often it is pressed
  if (anew || wasHidden) for (const [part, box] of Object.entries(form)) box.value = draft[part];
}

function drop() {
  const draft = drafts.get(shown?.id);
  drafts.delete(shown?.id);
  draw();
  if (draft) $("ticket").querySelector(`[data-deed="${CSS.escape(draft.call ? `${draft.name} ${draft.call}` : draft.name)}"]`)?.focus();
}

async function decide() {
  const id = shown.id, draft = drafts.get(id), body = { note: draft.note };
  if (draft.call) body.call = draft.call;
  if (["edit", "answer"].includes(draft.name)) {
    body.text = draft.words;
    try {
      if (draft.calls.trim()) body.tool_calls = JSON.parse(draft.calls);
    } catch (error) {
      warn(`The calls of tools are not JSON: ${error.message}`);
      form.calls.focus();
      return;
    }
  }
  draft.sent = true;
  draw();
  if (await act(draft.name, body, DEEDS[draft.name].done)) {
    drafts.delete(id);
    draw();
    if (id === wanted()) $("ticket").querySelector("h2").focus();
  } else {
    draft.sent = false;
    draw();
  }
}

// Hands

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = $("key").value.trim();
  $("key").value = "";
  if (/^[ -~]+$/.test(key)) enter(key).catch((error) => leave(error.message));
  else warn("A key has plain letters, digits and signs only.");
});
$("leave").addEventListener("click", () => leave());
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("change", () => {
  pages = 1;
  tickets = null;
  refresh();
});
$("more").addEventListener("click", () => {
  pages += 1;
  refresh();
});
$("queue").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...$("queue").querySelectorAll("a")];
  if (!step || !links.length) return;
  event.preventDefault();
  links[Math.min(Math.max(links.indexOf(document.activeElement) + step, 0), links.length - 1)].focus();
});
$("decision").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!$("confirm").disabled) decide();
});
$("decision").addEventListener("keydown", (event) => {
  if (event.key === "Escape") drop();
  if (event.key === "Enter" && event.ctrlKey) $("decision").requestSubmit();
});
for (const [part, box] of Object.entries(form)) box.addEventListener("input", () => (drafts.get(shown.id)[part] = box.value));
$("cancel").addEventListener("click", drop);
window.addEventListener("hashchange", () => me.key && view());
document.addEventListener("visibilitychange", () => me.key && refresh());
setInterval(() => document.querySelectorAll(".countdown").forEach(tick), 1000);

const kept = sessionStorage.getItem(KEPT);
if (kept) enter(kept).catch((error) => leave(error.message));
else leave();
