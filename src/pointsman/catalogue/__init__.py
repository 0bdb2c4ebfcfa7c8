"""Data that ships with Pointsman: price and context lists, tokenizer vocabularies. `NOTICE` beside this file says whose they are."""
