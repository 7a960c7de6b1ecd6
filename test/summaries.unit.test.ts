import { expect, test } from 'vitest';
import { promptBudget, tokensOf } from '../domain/prompt.ts';
import { stretchOf, stretchText, summaryByRules, summaryTokens, turnsInFull } from '../domain/summaries.ts';

const turn = (n: number, words = 5) => ({
  question: `Question ${n}?`,
  reply: `Reply ${n}. ${'word '.repeat(words)}`,
});
const turns = (count: number, words?: number) => Array.from({ length: count }, (_, n) => turn(n + 1, words));

test('nothing is summarised while a prompt can hold it', () => {
  expect(stretchOf([])).toBe(0);
  expect(stretchOf(turns(turnsInFull))).toBe(0);
});

test('too many turns, or too long ones: those that stay leave room for the next', () => {
  expect(stretchOf(turns(turnsInFull + 1))).toBe(turnsInFull + 1 - 4);
  const long = turns(5, 300);
  const stretch = stretchOf(long);
  expect(stretch).toBeGreaterThan(0);
  const kept = long.slice(stretch).map(({ question, reply }) => tokensOf(question + reply));
  expect(kept.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(promptBudget.history / 2);
  // The last turn always stays, however long it is: the next question may lean on it.
  expect(stretchOf(turns(2, 3_000))).toBe(1);
});

test('a model is shown the end of a long stretch, and what came before in few words', () => {
  const text = stretchText('The visitor is Ada.', turns(40, 200));
  expect(text).toContain('Summary of what came before: The visitor is Ada.');
  expect(text).toContain('Visitor: Question 40?');
  expect(text).not.toContain('Question 1?');
  expect(tokensOf(text)).toBeLessThan(2_600);
});

test('by rules: each question with the first sentence of its reply, and the newest where not all fit', () => {
  const summary = summaryByRules('- Before? → Yes.', [
    { question: 'What does\nit cost?', reply: 'It costs 19 euros [1]. It takes four days.' },
  ]);
  expect(summary).toBe('- Before? → Yes.\n- What does it cost? → It costs 19 euros [1].');
  const many = summaryByRules(summary, turns(40));
  expect(tokensOf(many)).toBeLessThanOrEqual(summaryTokens);
  expect(many).toContain('Question 40?');
  expect(many).not.toContain('Before?');
});
