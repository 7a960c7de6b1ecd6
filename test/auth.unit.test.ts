import { expect, test } from 'vitest';
import { effectiveScopes, scopesOfKind } from '../domain/auth.ts';

test('an ordinary key does everything of a project from a server, and only chats from a page', () => {
  const key = { kind: 'ordinary', scopes: scopesOfKind.ordinary } as const;
  expect(effectiveScopes(key, false)).toEqual(['chat', 'documents', 'conversations']);
  expect(effectiveScopes(key, true)).toEqual(['chat']);
});

test('a publishable key only ever chats', () => {
  const key = { kind: 'publishable', scopes: scopesOfKind.publishable } as const;
  expect(effectiveScopes(key, false)).toEqual(['chat']);
  expect(effectiveScopes(key, true)).toEqual(['chat']);
});

test('a key without the chat scope does nothing in a page', () => {
  expect(effectiveScopes({ kind: 'secret', scopes: ['documents'] }, true)).toEqual([]);
});
