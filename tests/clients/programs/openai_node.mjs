// The official OpenAI client for Node.
import OpenAI from "openai";
import { PERSON, WEATHER, joined, left, main, mapped, told } from "./harness.mjs";

const client = (given, options = {}) =>
  new OpenAI({ baseURL: `${given.url}/v1`, apiKey: given.key, maxRetries: 0, timeout: 30_000, ...options });

const describe = (error) => ({ status: error?.status ?? null, code: error?.code ?? null });

const shared = (given, ask) => ({
  refused: async ({ model, key = given.key, retries = 0 }) => {
    await ask(client(given, { apiKey: key, maxRetries: retries }), model, "hello");
    return {};
  },
  patient: async ({ model }) => {
    await ask(new OpenAI({ baseURL: `${given.url}/v1`, apiKey: given.key }), model, "hello");
    return {};
  },
  impatient: async ({ model }) => {
    await ask(client(given, { timeout: 300 }), model, "hello");
    return {};
  },
});

const spoken = (given, ask, pieceOf) => ({
  plain: async ({ model, text }) => {
    const answer = await ask(client(given), model, text);
    const choice = answer.choices[0];
    return { text: choice.text ?? choice.message.content, finish: choice.finish_reason, tokens: answer.usage.total_tokens };
  },
  stream: async ({ model, text }) => {
    const pieces = [];
    let finish = null;
    let tokens = null;
    for await (const chunk of await ask(client(given), model, text, { stream: true, stream_options: { include_usage: true } })) {
      tokens = chunk.usage?.total_tokens ?? tokens;
      for (const choice of chunk.choices) {
        pieces.push(pieceOf(choice));
        finish = choice.finish_reason ?? finish;
      }
    }
    return { ...joined(pieces), finish, tokens };
  },
  leave: async ({ model, text }) => {
    const stream = await ask(client(given), model, text, { stream: true });
    return left(mapped(stream, (chunk) => chunk.choices[0] && pieceOf(chunk.choices[0])), () => stream.controller.abort());
  },
});

function chat(given) {
  const ask = (from, model, text, fields = {}) =>
    from.chat.completions.create({ model, messages: [{ role: "user", content: text }], ...fields });
  return {
    ...spoken(given, ask, (choice) => choice.delta.content),
    tools: async ({ model, names, text, stream }) => {
      const tools = names.map((name) => ({ type: "function", function: { name, parameters: WEATHER } }));
      const messages = [{ role: "user", content: text }];
      const completions = client(given).chat.completions;
      const turn = async () =>
        stream
          ? (await completions.stream({ model, messages, tools }).finalChatCompletion()).choices[0].message
          : (await completions.create({ model, messages, tools })).choices[0].message;
      const message = await turn();
      const calls = message.tool_calls.map((call) => ({ name: call.function.name, arguments: JSON.parse(call.function.arguments) }));
      messages.push(message);
      for (const call of message.tool_calls) messages.push({ role: "tool", tool_call_id: call.id, content: told(call.function.name) });
      return { calls, text: (await turn()).content };
    },
    schema: async ({ model }) => {
      const response_format = { type: "json_schema", json_schema: { name: "person", schema: PERSON, strict: true } };
      return { value: JSON.parse((await ask(client(given), model, "who", { response_format })).choices[0].message.content) };
    },
    ...shared(given, ask),
  };
}

function responses(given) {
  const ask = (from, model, input, fields = {}) => from.responses.create({ model, input, ...fields });
  const said = (answer) => ({ text: answer.output_text, finish: answer.status, tokens: answer.usage.total_tokens });
  return {
    plain: async ({ model, text }) => said(await ask(client(given), model, text)),
    stream: async ({ model, text }) => {
      const pieces = [];
      let last = null;
      for await (const event of await ask(client(given), model, text, { stream: true })) {
        if (event.type === "response.output_text.delta") pieces.push(event.delta);
        if (event.type === "response.completed") last = event.response;
      }
      return { ...joined(pieces), finish: last?.status ?? null, tokens: last?.usage.total_tokens ?? null };
    },
    leave: async ({ model, text }) => {
      const stream = await ask(client(given), model, text, { stream: true });
      return left(mapped(stream, (event) => event.delta), () => stream.controller.abort());
    },
    tools: async ({ model, names, text, stream }) => {
      const tools = names.map((name) => ({ type: "function", name, parameters: WEATHER, strict: true }));
      const input = [{ role: "user", content: text }];
      const api = client(given).responses;
      const turn = async () => (stream ? api.stream({ model, input, tools }).finalResponse() : api.create({ model, input, tools }));
      const answer = await turn();
      const made = answer.output.filter((item) => item.type === "function_call");
      input.push(...answer.output.map(({ parsed_arguments, ...item }) => item));
      for (const call of made) input.push({ type: "function_call_output", call_id: call.call_id, output: told(call.name) });
      return { calls: made.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) })), text: (await turn()).output_text };
    },
    schema: async ({ model }) => {
      const text = { format: { type: "json_schema", name: "person", schema: PERSON, strict: true } };
      return { value: JSON.parse((await ask(client(given), model, "who", { text })).output_text) };
    },
    remembered: async ({ model }) => {
      const first = await ask(client(given), model, "my name is Ada");
      return said(await ask(client(given), model, "what is my name", { previous_response_id: first.id }));
    },
    stored: async ({ model, text }) => {
      const api = client(given).responses;
      const made = await ask(client(given), model, text);
      const read = await api.retrieve(made.id);
      const asked = [];
      for await (const item of api.inputItems.list(made.id)) asked.push(item.content[0].text);
      await api.delete(made.id);
      const gone = await api.retrieve(made.id).then(() => 200, (error) => error.status);
      return { same: JSON.stringify(read.output) === JSON.stringify(made.output) && read.id === made.id, asked, then: gone };
    },
    ...shared(given, ask),
  };
}

function completions(given) {
  const ask = (from, model, prompt, fields = {}) => from.completions.create({ model, prompt, max_tokens: 1_000, ...fields });
  return { ...spoken(given, ask, (choice) => choice.text), ...shared(given, ask) };
}

function embeddings(given) {
  const ask = (from, model, input) => from.embeddings.create({ model, input });
  return {
    embed: async ({ model, texts }) => {
      const answer = await ask(client(given), model, texts);
      return { sizes: answer.data.map((row) => row.embedding.length), tokens: answer.usage.total_tokens };
    },
    ...shared(given, ask),
  };
}

const APIS = { chat, responses, completions, embeddings };
await main((given) => APIS[given.api](given), describe);
