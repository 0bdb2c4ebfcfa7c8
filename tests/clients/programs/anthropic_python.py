"""The official Anthropic client for Python."""

import json

import anthropic
from harness import PERSON, WEATHER, joined, left, main, told


def client(given, **options):
    return anthropic.Anthropic(**{"base_url": given["url"], "api_key": given["key"], "max_retries": 0, "timeout": 30, **options})


def describe(error):
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    return {"status": getattr(error, "status_code", None), "code": inner.get("code") if isinstance(inner, dict) else None}


def ask(client, model, text, **fields):
    return client.messages.create(**{"model": model, "max_tokens": 1_000, "messages": [{"role": "user", "content": text}], **fields})


def text_of(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def said(answer):
    return {"text": text_of(answer), "finish": answer.stop_reason, "tokens": answer.usage.input_tokens + answer.usage.output_tokens}


def messages(given):  # noqa: C901
    def plain(model, text):
        return said(ask(client(given), model, text))

    def stream(model, text):
        pieces, finish, tokens = [], None, None
        for event in ask(client(given), model, text, stream=True):
            if event.type == "content_block_delta":
                pieces.append(getattr(event.delta, "text", None))
            elif event.type == "message_delta":
                finish, tokens = event.delta.stop_reason, event.usage.output_tokens
        return {**joined(pieces), "finish": finish, "tokens": tokens}

    def tools(model, names, text, stream):
        offered = [{"name": name, "input_schema": WEATHER} for name in names]
        turns = [{"role": "user", "content": text}]

        def turn():
            if not stream:
                return ask(client(given), model, "", messages=turns, tools=offered)
            with client(given).messages.stream(model=model, max_tokens=1_000, messages=turns, tools=offered) as events:
                return events.get_final_message()

        answer = turn()
        calls = [block for block in answer.content if block.type == "tool_use"]
        turns.append({"role": "assistant", "content": answer.content})
        turns.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": told(call.name)} for call in calls]}
        )
        return {"calls": [{"name": call.name, "arguments": call.input} for call in calls], "text": text_of(turn())}

    def schema(model):
        wanted = {"format": {"type": "json_schema", "schema": PERSON}}
        return {"value": json.loads(text_of(ask(client(given), model, "who", output_config=wanted)))}

    def leave(model, text):
        streamed = ask(client(given), model, text, stream=True)
        return left((getattr(getattr(event, "delta", None), "text", None) for event in streamed), streamed.close)

    def counted(model, text):
        return {"tokens": client(given).messages.count_tokens(model=model, messages=[{"role": "user", "content": text}]).input_tokens}

    def refused(model, key=None, retries=0):
        ask(client(given, api_key=key or given["key"], max_retries=retries), model, "hello")
        return {}

    def patient(model):
        ask(anthropic.Anthropic(base_url=given["url"], api_key=given["key"], timeout=30), model, "hello")
        return {}

    def impatient(model):
        ask(client(given, timeout=0.3), model, "hello")
        return {}

    return {
        "plain": plain,
        "stream": stream,
        "tools": tools,
        "schema": schema,
        "leave": leave,
        "counted": counted,
        "refused": refused,
        "patient": patient,
        "impatient": impatient,
    }


if __name__ == "__main__":
    main(messages, describe)
