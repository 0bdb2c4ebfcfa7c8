// Reads who is asked, then checks, a line of JSON each, and prints what each came to. An exception is a result as well.
import { createInterface } from "node:readline";

// `functions(given)` are the checks by name; `describe(error)` tells what a program can know of the client's exception.
export async function main(functions, describe) {
  let found = null;
  for await (const line of createInterface({ input: process.stdin })) {
    const check = JSON.parse(line);
    if (found === null) {
      found = functions(check);
      continue;
    }
    let said;
    try {
      said = await found[check.check](check.with);
    } catch (error) {
      const name = error?.constructor?.name ?? "unknown";
      said = { error: [name], message: String(error?.message).slice(0, 500), at: Date.now() / 1000, ...describe(error) };
    }
    console.log(JSON.stringify(said));
  }
  process.exit(0); // connections of left streams may keep it alive
}

export const joined = (pieces) => {
  const said = pieces.filter((piece) => piece);
  return { text: said.join(""), pieces: said.length };
};

export const told = (name) => `${name} says fine`;

export const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
export const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

// Leaves a stream once it has begun; the loop may go on to its end or throw, as it likes.
export async function left(pieces, abort) {
  let at = null;
  try {
    for await (const piece of pieces) {
      if (piece && at === null) {
        at = Date.now() / 1000;
        abort();
      }
    }
  } catch (error) {
    if (at === null) throw error;
  }
  return { left_at: at };
}

export async function* mapped(events, piece) {
  for await (const event of events) yield piece(event);
}
