"""Programs that use an SDK as anyone would; nothing in them knows of a proxy."""

PYTHON = {
    "openai_sdk": "openai",
    "anthropic_sdk": "anthropic",
    "google_genai": "google.genai",
    "mistral_sdk": "mistralai",
    "groq_sdk": "groq",
    "cohere_sdk": "cohere",
    "langchain": "langchain_openai",
    "litellm_library": "litellm",
    "pydantic_ai_library": "pydantic_ai",
    "requests_library": "requests",
    "aiohttp_library": "aiohttp",
}
"""Client program: the package that it needs."""
