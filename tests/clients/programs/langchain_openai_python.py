"""LangChain's client for OpenAI and what speaks like it."""

from harness import PERSON, WEATHER, joined, left, main, told
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def describe(error):
    return {"status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}


def generating(given):
    def llm(model, **options):
        settings = {"base_url": f"{given['url']}/v1", "api_key": given["key"], "max_retries": 0, "timeout": 30, "stream_usage": True}
        return ChatOpenAI(model=model, use_responses_api=given["api"] == "responses", **{**settings, **options})

    def said(message):
        told = message.response_metadata
        usage = message.usage_metadata
        return {"text": message.text, "finish": told.get("finish_reason") or told.get("status"), "tokens": usage and usage["total_tokens"]}

    def plain(model, text):
        return said(llm(model).invoke(text))

    def stream(model, text):
        whole, pieces = None, []
        for chunk in llm(model).stream(text):
            whole = chunk if whole is None else whole + chunk
            pieces.append(chunk.text)
        return {**said(whole), **joined(pieces)}

    def tools(model, names, text, stream):
        offered = [{"type": "function", "function": {"name": name, "description": name, "parameters": WEATHER}} for name in names]
        bound = llm(model, streaming=stream).bind_tools(offered)
        turns = [HumanMessage(text)]
        answer = bound.invoke(turns)
        calls = [{"name": call["name"], "arguments": call["args"]} for call in answer.tool_calls]
        turns += [answer, *(ToolMessage(told(call["name"]), tool_call_id=call["id"]) for call in answer.tool_calls)]
        return {"calls": calls, "text": bound.invoke(turns).text}

    def schema(model):
        return {"value": llm(model).with_structured_output({"title": "person", **PERSON}, method="json_schema").invoke("who")}

    def leave(model, text):
        chunks = llm(model).stream(text)
        return left((chunk.text for chunk in chunks), chunks.close)

    def refused(model, key=None, retries=0):
        return said(llm(model, api_key=key or given["key"], max_retries=retries).invoke("hello"))

    def patient(model):
        return said(
            ChatOpenAI(
                model=model, base_url=f"{given['url']}/v1", api_key=given["key"], use_responses_api=given["api"] == "responses"
            ).invoke("hello")
        )

    def impatient(model):
        return said(llm(model, timeout=0.3).invoke("hello"))

    return {
        "plain": plain,
        "stream": stream,
        "tools": tools,
        "schema": schema,
        "leave": leave,
        "refused": refused,
        "patient": patient,
        "impatient": impatient,
    }


def embeddings(given):
    def embedder(model, **options):
        settings = {"base_url": f"{given['url']}/v1", "api_key": given["key"], "max_retries": 0, "timeout": 30}
        return OpenAIEmbeddings(model=model, check_embedding_ctx_length=False, **{**settings, **options})

    def embed(model, texts):
        return {"sizes": [len(row) for row in embedder(model).embed_documents(texts)]}

    def refused(model, key=None, retries=0):
        return {"sizes": [len(embedder(model, api_key=key or given["key"], max_retries=retries).embed_query("hello"))]}

    def patient(model):
        made = OpenAIEmbeddings(model=model, check_embedding_ctx_length=False, base_url=f"{given['url']}/v1", api_key=given["key"])
        return {"sizes": [len(made.embed_query("hello"))]}

    def impatient(model):
        return {"sizes": [len(embedder(model, timeout=0.3).embed_query("hello"))]}

    return {"embed": embed, "refused": refused, "patient": patient, "impatient": impatient}


if __name__ == "__main__":
    main(lambda given: (embeddings if given["api"] == "embeddings" else generating)(given), describe)
