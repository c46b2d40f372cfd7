"""`offline/semantic`: a stand-in for a language model that needs no network and no key, and is no language model.

It reads the same prompts as any model and answers the same JSON: codes by multilingual sentence embeddings and
character n-grams, summaries and analyses by extraction. The same prompt always gives the same answer.
"""
