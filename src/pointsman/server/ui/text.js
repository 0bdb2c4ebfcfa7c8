// Whatever the gateway says may have been written by somebody who means harm: here it becomes text of the page, and nowhere does it become
// markup, an address or a style. The server's headers forbid the rest.

// What is not seen, or makes text look like another: controls, overrides of direction, blanks without width, tags. Not ZWJ and its like,
// which emoji and several scripts need.
const CONTROLS = "\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\ufff9-\\ufffb\\ud800-\\udfff";
const MARKS = "\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u202a-\\u202e\\u2060-\\u206f\\u2800\\u3164\\uffa0\\ufe00-\\ufe0e\\ufeff";
const UNSEEN = new RegExp(`([${CONTROLS}${MARKS}]+|[\\u{e0000}-\\u{e0fff}]+)`, "u");

/** The text's nodes, with what is not seen shown as marks. */
export function spoken(text) {
  return text.split(UNSEEN).map((piece, at) => {
    if (at % 2 === 0) return document.createTextNode(piece);
    const mark = document.createElement("mark");
    const points = [...piece].map((sign) => sign.codePointAt(0));
    const hidden = points.map((point) => (point > 0xe001f && point < 0xe007f ? String.fromCharCode(point - 0xe0000) : "")).join("");
    const named = points.slice(0, 4).map((point) => `U+${point.toString(16).toUpperCase().padStart(4, "0")}`).join(" ");
    mark.textContent = hidden ? `hidden: ${hidden}` : points.length > 4 ? `${named} and ${points.length - 4} more` : named;
    return mark;
  });
}

/** An element of that class with these children: other elements, or text. */
export function element(tag, kind, ...children) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  for (const child of children.flat(Infinity)) {
    if (child instanceof Node) made.append(child);
    else if (![null, undefined, false, ""].includes(child)) made.append(...spoken(String(child)));
  }
  return made;
}

export function button(label, kind, run) {
  const made = element("button", kind, label);
  made.type = "button";
  made.addEventListener("click", run);
  return made;
}

export function block(text) {
  const made = element("pre", "words", text);
  made.dir = "auto";
  return made;
}

export const json = (value) => JSON.stringify(value, null, 2);
export const percent = (value) => (value === null ? "not judged" : `${Math.round(value * 100)} %`);

export function meter(value, name) {
  if (value === null) return null;
  const made = element("meter");
  Object.assign(made, { min: 0, max: 1, low: 0.4, high: 0.7, optimum: 1, value });
  made.setAttribute("aria-label", name);
  return made;
}

export function time(at_s) {
  const made = element("time", "", new Date(at_s * 1000).toLocaleString());
  made.dateTime = new Date(at_s * 1000).toISOString();
  return made;
}

/** Until then, in words: "2 h 5 min"; "over" from then on. */
function left(at_s) {
  const s = Math.floor(at_s - Date.now() / 1000);
  if (s <= 0) return "over";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s < 600 ? `${s % 60} s` : ""}`.trim();
  return s < 172800 ? `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min` : `${Math.floor(s / 86400)} days`;
}

/** Counts down by itself; red in the last tenth of its time. */
export function countdown(ticket) {
  const made = element("span", "countdown");
  made.dataset.at = ticket.deadline_at;
  made.dataset.soon = ticket.deadline_at - (ticket.deadline_at - ticket.created_at) / 10;
  return tick(made);
}

export function tick(made) {
  made.textContent = left(Number(made.dataset.at));
  made.classList.toggle("soon", Date.now() / 1000 >= Number(made.dataset.soon));
  return made;
}
