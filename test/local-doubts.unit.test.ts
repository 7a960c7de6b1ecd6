import { expect, test } from 'vitest';
import { numbersIn } from '../domain/grounding.ts';
import { askedBy, doubt } from '../providers/local/doubts.ts';

const stems = (text: string) =>
  new Set((text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).map((word) => word.slice(0, 5)));
const doubted = (question: string, sentence: string) =>
  Number(
    doubt(askedBy(question), sentence, {
      numbers: new Set(numbersIn(sentence)),
      stems: stems(sentence),
    }).toFixed(2),
  );

test.each([
  ['What covers an area of 74 ha?', 'The park covers an area of 76 ha.', 0.5],
  ['What covers an area of 1,500 m2?', 'The hall covers 1500 m2 of area.', 0],
  ['What did not follow from the treaty?', 'Peace followed from the treaty.', 0.5],
  ['Which countries are not served?', 'We do not serve Iceland.', 0],
  ['Welche Länder werden nicht beliefert?', 'Wir liefern in alle Länder.', 0.5],
  ['Who painted the ceiling of Saint Anne?', 'The ceiling of the chapel was painted in oil.', 0.1],
  ['Who painted the ceiling of Saint Anne in Rome?', 'Saint Anne has a painted ceiling.', 0.03],
  ['What is the warranty of the lamp?', 'The lamp has a warranty of two years.', 0],
])('%j before %j costs %d', (question, sentence, cost) => {
  expect(doubted(question, sentence)).toBe(cost);
});

test.each([
  ["My lamp doesn't turn on, what can I do?", 'Check the plug and press the switch for three seconds.'],
  ['Warum kann ich mich nicht anmelden?', 'Setzen Sie das Passwort über den Link zurück.'],
  ['Je ne reçois pas mon colis', 'Le suivi du colis est dans votre compte.'],
])('a visitor’s own problem is no negation: %j', (question, sentence) => {
  expect(doubted(question, sentence)).toBe(0);
});
