// The AI SDK, with the provider packages that speak each API.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, jsonSchema, streamText } from "ai";
import { PERSON, WEATHER, joined, left, main, mapped, told } from "./harness.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const PROVIDERS = {
  "ai-sdk-openai-compatible": (options) =>
    createOpenAICompatible({ name: "pointsman", includeUsage: true, supportsStructuredOutputs: true, ...options }),
  "ai-sdk-openai": (options) => createOpenAI(options),
  "ai-sdk-anthropic": (options) => createAnthropic(options),
};

function describe(error) {
  let code = null;
  try {
    code = JSON.parse(error.responseBody).error.code ?? null;
  } catch {}
  return { status: error?.statusCode ?? null, code };
}

const functions = (given) => {
  const named = (model, key = given.key) => {
    const provider = PROVIDERS[given.client]({ baseURL: `${given.url}/v1`, apiKey: key });
    return given.client === "ai-sdk-openai" ? provider.responses(model) : provider(model);
  };
  // What a stream failed with is a part of it here.
  async function* parts(options) {
    const result = streamText({ maxRetries: 0, onError: () => {}, ...options });
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      yield part;
    }
  }
  return {
    plain: async ({ model, text }) => {
      const answer = await generateText({ model: named(model), prompt: text, maxRetries: 0 });
      return { text: answer.text, finish: answer.finishReason, tokens: answer.usage.totalTokens };
    },
    stream: async ({ model, text }) => {
      const pieces = [];
      let last = {};
      for await (const part of parts({ model: named(model), prompt: text })) {
        if (part.type === "text-delta") pieces.push(part.text);
        if (part.type === "finish") last = part;
      }
      return { ...joined(pieces), finish: last.finishReason ?? null, tokens: last.totalUsage?.totalTokens ?? null };
    },
    tools: async ({ model, names, text, stream }) => {
      const tool = { description: "tells", inputSchema: jsonSchema(WEATHER) };
      const tools = Object.fromEntries(names.map((name) => [name, tool]));
      const messages = [{ role: "user", content: text }];
      const turn = async () => {
        const options = { model: named(model), messages, tools, maxRetries: 0 };
        if (!stream) return generateText(options);
        const result = streamText({ ...options, onError: () => {} });
        return { toolCalls: await result.toolCalls, text: await result.text, response: await result.response };
      };
      const answer = await turn();
      messages.push(...answer.response.messages);
      messages.push({
        role: "tool",
        content: answer.toolCalls.map((call) => ({
          type: "tool-result",
          toolCallId: call.toolCallId,
          toolName: call.toolName,
          output: { type: "text", value: told(call.toolName) },
        })),
      });
      const calls = answer.toolCalls.map((call) => ({ name: call.toolName, arguments: call.input }));
      return { calls, text: (await turn()).text };
    },
    schema: async ({ model }) => {
      const output = Output.object({ schema: jsonSchema(PERSON) });
      return { value: (await generateText({ model: named(model), prompt: "who", output, maxRetries: 0 })).output };
    },
    leave: async ({ model, text }) => {
      const stop = new AbortController();
      const said = parts({ model: named(model), prompt: text, abortSignal: stop.signal });
      return left(mapped(said, (part) => part.type === "text-delta" && part.text), () => stop.abort());
    },
    refused: async ({ model, key, retries = 0 }) => {
      await generateText({ model: named(model, key), prompt: "hello", maxRetries: retries });
      return {};
    },
    patient: async ({ model }) => {
      await generateText({ model: named(model), prompt: "hello" });
      return {};
    },
    impatient: async ({ model }) => {
      await generateText({ model: named(model), prompt: "hello", maxRetries: 0, abortSignal: AbortSignal.timeout(300) });
      return {};
    },
  };
};

await main(functions, describe);
