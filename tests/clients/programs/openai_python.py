"""The official OpenAI client for Python."""

import json

import openai
from harness import PERSON, WEATHER, joined, left, main, told


def client(given, **options):
    return openai.OpenAI(**{"base_url": f"{given['url']}/v1", "api_key": given["key"], "max_retries": 0, "timeout": 30, **options})


def describe(error):
    return {"status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}


def shared(given, ask):
    """Checks that only need a way to ask: `ask(client, model, text, **fields)`."""

    def refused(model, key=None, retries=0):
        ask(client(given, api_key=key or given["key"], max_retries=retries), model, "hello")
        return {}

    def patient(model):
        ask(openai.OpenAI(base_url=f"{given['url']}/v1", api_key=given["key"], timeout=30), model, "hello")
        return {}

    def impatient(model):
        ask(client(given, timeout=0.3), model, "hello")
        return {}

    return {"refused": refused, "patient": patient, "impatient": impatient}


def chat(given):
    completions = client(given).chat.completions

    def ask(client, model, text, **fields):
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **fields)

    def plain(model, text):
        answer = ask(client(given), model, text)
        return {"text": answer.choices[0].message.content, "finish": answer.choices[0].finish_reason, "tokens": answer.usage.total_tokens}

    def stream(model, text):
        finish, tokens, pieces = None, None, []
        for chunk in ask(client(given), model, text, stream=True, stream_options={"include_usage": True}):
            tokens = chunk.usage.total_tokens if chunk.usage else tokens
            for choice in chunk.choices:
                pieces.append(choice.delta.content)
                finish = choice.finish_reason or finish
        return {**joined(pieces), "finish": finish, "tokens": tokens}

    def tools(model, names, text, stream):
        offered = [{"type": "function", "function": {"name": name, "parameters": WEATHER}} for name in names]
        messages = [{"role": "user", "content": text}]

        def turn():
            if not stream:
                return completions.create(model=model, messages=messages, tools=offered).choices[0].message
            with completions.stream(model=model, messages=messages, tools=offered) as events:
                return events.get_final_completion().choices[0].message

        message = turn()
        calls = [{"name": call.function.name, "arguments": json.loads(call.function.arguments)} for call in message.tool_calls]
        messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        messages += [{"role": "tool", "tool_call_id": call.id, "content": told(call.function.name)} for call in message.tool_calls]
        return {"calls": calls, "text": turn().content}

    def schema(model):
        wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
        return {"value": json.loads(ask(client(given), model, "who", response_format=wanted).choices[0].message.content)}

    def leave(model, text):
        streamed = ask(client(given), model, text, stream=True)
        return left((chunk.choices[0].delta.content for chunk in streamed if chunk.choices), streamed.close)

    return {"plain": plain, "stream": stream, "tools": tools, "schema": schema, "leave": leave, **shared(given, ask)}


def responses(given):  # noqa: C901
    api = client(given).responses

    def ask(client, model, said, **fields):
        return client.responses.create(model=model, input=said, **fields)

    def said(answer):
        return {"text": answer.output_text, "finish": answer.status, "tokens": answer.usage.total_tokens}

    def plain(model, text):
        return said(ask(client(given), model, text))

    def stream(model, text):
        pieces, last = [], None
        for event in ask(client(given), model, text, stream=True):
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
            last = event.response if event.type == "response.completed" else last
        return {**joined(pieces), "finish": last and last.status, "tokens": last and last.usage.total_tokens}

    def tools(model, names, text, stream):
        offered = [{"type": "function", "name": name, "parameters": WEATHER, "strict": True} for name in names]
        items = [{"role": "user", "content": text}]

        def turn():
            if not stream:
                return api.create(model=model, input=items, tools=offered)
            with api.stream(model=model, input=items, tools=offered) as events:
                return events.get_final_response()

        answer = turn()
        made = [item for item in answer.output if item.type == "function_call"]
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in answer.output]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": told(call.name)} for call in made]
        return {"calls": [{"name": call.name, "arguments": json.loads(call.arguments)} for call in made], "text": turn().output_text}

    def schema(model):
        wanted = {"format": {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}}
        return {"value": json.loads(ask(client(given), model, "who", text=wanted).output_text)}

    def leave(model, text):
        streamed = ask(client(given), model, text, stream=True)
        return left((getattr(event, "delta", None) for event in streamed), streamed.close)

    def remembered(model):
        first = ask(client(given), model, "my name is Ada")
        return said(ask(client(given), model, "what is my name", previous_response_id=first.id))

    def stored(model, text):
        made = ask(client(given), model, text)
        read, asked = api.retrieve(made.id), [item.content[0].text for item in api.input_items.list(made.id)]
        api.delete(made.id)
        try:
            api.retrieve(made.id)
        except openai.NotFoundError as gone:
            return {"same": read == made, "asked": asked, "then": gone.status_code}
        return {"same": read == made, "asked": asked, "then": 200}

    return {
        "plain": plain,
        "stream": stream,
        "tools": tools,
        "schema": schema,
        "leave": leave,
        "remembered": remembered,
        "stored": stored,
        **shared(given, ask),
    }


def completions(given):
    def ask(client, model, text, **fields):
        return client.completions.create(model=model, prompt=text, max_tokens=1_000, **fields)

    def plain(model, text):
        answer = ask(client(given), model, text)
        return {"text": answer.choices[0].text, "finish": answer.choices[0].finish_reason, "tokens": answer.usage.total_tokens}

    def stream(model, text):
        finish, tokens, pieces = None, None, []
        for chunk in ask(client(given), model, text, stream=True, stream_options={"include_usage": True}):
            tokens = chunk.usage.total_tokens if chunk.usage else tokens
            for choice in chunk.choices:
                pieces.append(choice.text)
                finish = choice.finish_reason or finish
        return {**joined(pieces), "finish": finish, "tokens": tokens}

    def leave(model, text):
        streamed = ask(client(given), model, text, stream=True)
        return left((chunk.choices[0].text for chunk in streamed if chunk.choices), streamed.close)

    return {"plain": plain, "stream": stream, "leave": leave, **shared(given, ask)}


def embeddings(given):
    def ask(client, model, text, **fields):
        return client.embeddings.create(model=model, input=text, **fields)

    def embed(model, texts):
        answer = ask(client(given), model, texts)
        return {"sizes": [len(row.embedding) for row in answer.data], "tokens": answer.usage.total_tokens}

    return {"embed": embed, **shared(given, ask)}


if __name__ == "__main__":
    main(lambda given: globals()[given["api"]](given), describe)
