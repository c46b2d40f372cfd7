"""`offline/semantic`: a stand-in for a language model that needs no network and no key, and is no language model.

It reads the same prompts as any model and answers the same JSON: codes by multilingual sentence embeddings and
character n-grams, summaries and analyses by extraction, sensitive content by likeness to example sentences of our own.
The same prompt always gives the same answer; for codes, with the same corrections to learn from, each tenant's for
itself.
"""
