"""OpenAI's older Completions: a text that the model goes on with."""
