-- Rerankers behind an API take a project's own key, as models do.
alter table provider_keys drop constraint provider_keys_provider_check,
  add constraint provider_keys_provider_check
    check (provider in ('openai', 'groq', 'ollama', 'gemini', 'cohere', 'jina', 'voyage'));
