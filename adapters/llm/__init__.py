"""Models behind the ChatModel port: any that LiteLLM knows, a fast path for most, and the recording of each attempt."""
