// What speaks against a sentence that resembles a question: near-domain questions that the documents do not answer share
// most of their words with a sentence that says something else. bench/local-answers.ts measures what these do.
import { numbersIn } from '../../domain/grounding.ts';

/** In units of evidence. A number or a "not" that is missing decides alone; a name may go by another name. */
const costs = { number: 0.5, negation: 0.5, names: 0.1 };

const negation =
  /(?<![\p{L}])(?:not|no|never|none|nobody|nothing|nowhere|neither|nor|without|cannot|unable|except|unlike|fail(?:ed|s)?|refus\p{L}+|\p{L}+n['’]t|nicht|kein(?:e[nmrs]?)?|nie(?:mals|mand)?|nichts|ohne|pas|jamais|aucune?|rien|sans|nunca|ningun[ao]?|ningún|nadie|nada|sin|non|mai|senza|nessun[oa]?|niet|geen|nooit|niemand|zonder)(?![\p{L}])/iu;

/**
 * "I can't log in", "my parcel has not arrived": a visitor tells of a problem, and the sentence that solves it says no
 * "not".
 */
const ofOnesOwn =
  /(?<![\p{L}])(?:i|i['’]m|my|me|mine|we|our|us|you|your|ich|mein\p{L}*|mir|mich|wir|uns\p{L}*|du|dein\p{L}*|sie|ihre?\p{L}*|je|j['’]\p{L}+|mon|ma|mes|nous|notre|nos|vous|votre|vos|yo|mi|mis|nuestr\p{L}+|usted|tu|tus|io|mio|mia|miei|ho|ik|mijn|wij|ons|u|uw)(?![\p{L}])/iu;

const capitalised = /\p{Lu}[\p{L}\p{N}'’-]+/gu;

export interface Asked {
  numbers: readonly string[];
  /** Capitalised words after the first, by their first five letters. */
  names: readonly string[];
  negated: boolean;
}

export function askedBy(question: string): Asked {
  const afterFirst = question.trim().replace(/^\S+\s*/, '');
  return {
    numbers: numbersIn(question),
    names: (afterFirst.match(capitalised) ?? []).map(stemOf),
    negated: negation.test(question) && !ofOnesOwn.test(question),
  };
}

const stemOf = (word: string) => word.normalize('NFKC').toLowerCase().slice(0, 5);

/** How much evidence a sentence loses: `place` is its passage with title and headings, `stems` its words. */
export function doubt(
  asked: Asked,
  sentence: string,
  place: { numbers: ReadonlySet<string>; stems: ReadonlySet<string> },
): number {
  const number = asked.numbers.some((one) => !place.numbers.has(one)) ? costs.number : 0;
  const missing = asked.names.filter((name) => !place.stems.has(name)).length;
  const names = asked.names.length > 0 ? (costs.names * missing) / asked.names.length : 0;
  return number + names + (asked.negated && !negation.test(sentence) ? costs.negation : 0);
}
