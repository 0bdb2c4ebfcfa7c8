// The official Anthropic client for Node.
import Anthropic from "@anthropic-ai/sdk";
import { PERSON, WEATHER, joined, left, main, mapped, told } from "./harness.mjs";

const client = (given, options = {}) =>
  new Anthropic({ baseURL: given.url, apiKey: given.key, maxRetries: 0, timeout: 30_000, ...options });

const describe = (error) => ({ status: error?.status ?? null, code: error?.error?.error?.code ?? null });

const ask = (from, model, text, fields = {}) =>
  from.messages.create({ model, max_tokens: 1_000, messages: [{ role: "user", content: text }], ...fields });

const textOf = (answer) => answer.content.map((block) => block.text ?? "").join("");

const functions = (given) => ({
  plain: async ({ model, text }) => {
    const answer = await ask(client(given), model, text);
    return { text: textOf(answer), finish: answer.stop_reason, tokens: answer.usage.input_tokens + answer.usage.output_tokens };
  },
  stream: async ({ model, text }) => {
    const pieces = [];
    let finish = null;
    let tokens = null;
    for await (const event of await ask(client(given), model, text, { stream: true })) {
      if (event.type === "content_block_delta") pieces.push(event.delta.text);
      if (event.type === "message_delta") [finish, tokens] = [event.delta.stop_reason, event.usage.output_tokens];
    }
    return { ...joined(pieces), finish, tokens };
  },
  tools: async ({ model, names, text, stream }) => {
    const tools = names.map((name) => ({ name, input_schema: WEATHER }));
    const messages = [{ role: "user", content: text }];
    const request = () => ({ model, max_tokens: 1_000, messages, tools });
    const turn = async () => (stream ? client(given).messages.stream(request()).finalMessage() : client(given).messages.create(request()));
    const answer = await turn();
    const calls = answer.content.filter((block) => block.type === "tool_use");
    messages.push({ role: "assistant", content: answer.content });
    messages.push({
      role: "user",
      content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: told(call.name) })),
    });
    return { calls: calls.map((call) => ({ name: call.name, arguments: call.input })), text: textOf(await turn()) };
  },
  schema: async ({ model }) => {
    const output_config = { format: { type: "json_schema", schema: PERSON } };
    return { value: JSON.parse(textOf(await ask(client(given), model, "who", { output_config }))) };
  },
  leave: async ({ model, text }) => {
    const stream = await ask(client(given), model, text, { stream: true });
    return left(mapped(stream, (event) => event.delta?.text), () => stream.controller.abort());
  },
  counted: async ({ model, text }) => {
    const messages = [{ role: "user", content: text }];
    return { tokens: (await client(given).messages.countTokens({ model, messages })).input_tokens };
  },
  refused: async ({ model, key = given.key, retries = 0 }) => {
    await ask(client(given, { apiKey: key, maxRetries: retries }), model, "hello");
    return {};
  },
  patient: async ({ model }) => {
    await ask(new Anthropic({ baseURL: given.url, apiKey: given.key }), model, "hello");
    return {};
  },
  impatient: async ({ model }) => {
    await ask(client(given, { timeout: 300 }), model, "hello");
    return {};
  },
});

await main(functions, describe);
