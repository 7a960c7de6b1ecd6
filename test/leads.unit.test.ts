import { expect, test } from 'vitest';
import { codeIn, emailIn, isQuestion, leadField, nameIn, readFields } from '../domain/leads.ts';

test.each([
  ['Mira Holm', 'Mira Holm'],
  ['  my name is Jonas  ', 'Jonas'],
  ['Ich heiße Jürgen Groß.', 'Jürgen Groß'],
  ['Me llamo José María', 'José María'],
  ['اسمي فاطمة الزهراء', 'فاطمة الزهراء'],
  ['王小明', '王小明'],
  ['Ólafur Ragnar Grímsson', 'Ólafur Ragnar Grímsson'],
  ["Sinéad O'Connor", "Sinéad O'Connor"],
  ['Jean-Luc', 'Jean-Luc'],
  ['می‌نا', 'می‌نا'],
  ['प्रिया', 'प्रिया'],
])('%s is a name', (message, name) => {
  expect(nameIn(message)).toBe(name);
});

test.each([
  'Hello',
  'hola',
  '!!!',
  '12345',
  'mira@shop.example',
  'https://shop.example',
  '',
  'a'.repeat(81),
  'I would rather not say who I am thanks',
])('%s is no name', (message) => {
  expect(nameIn(message)).toBeUndefined();
});

test.each([
  ['What are your prices?', true],
  ['what are your prices', true],
  ['¿Cuánto cuesta?', true],
  ['كم السعر؟', true],
  ['いくらですか？', true],
  ['wie lange dauert die Lieferung', true],
  ['Mira Holm', false],
  ['Will Smith', false],
  ['mira@shop.example', false],
])('%s: a question: %s', (message, expected) => {
  expect(isQuestion(message)).toBe(expected);
});

test.each([
  ['Mira@Shop.Example', 'mira@shop.example'],
  ['it is <mira+chat@shop.example>, thanks', 'mira+chat@shop.example'],
  ['mailto:a.b@sub.shop.example.', 'a.b@sub.shop.example'],
  ['用户@例子.公司', '用户@例子.公司'],
])('the address in %s', (message, email) => {
  expect(emailIn(message)).toBe(email);
});

test.each([
  'mira@shop',
  'a@b.example or c@d.example',
  '@shop.example',
  'mira at shop.example',
  'a@b.1',
])('no address in %s', (message) => {
  expect(emailIn(message)).toBeUndefined();
});

test('a code with spaces, in Arabic and full-width digits', () => {
  expect(['123 456', '123-456', '١٢٣٤٥٦', '１２３４５６'].map(codeIn)).toEqual(Array(4).fill('123456'));
  expect(['12345', '1234567', 'abc', '12a456'].map(codeIn)).toEqual(Array(4).fill(undefined));
});

test('fields as the project defines them', () => {
  const fields = [
    leadField.parse({ key: 'phone', label: 'Phone', type: 'phone' }),
    leadField.parse({ key: 'size', label: 'Size', type: 'choice', choices: ['S', 'L'] }),
  ];
  expect(readFields(fields, { phone: ' +49 30 123456 ', size: 'L' })).toEqual({
    phone: '+49 30 123456',
    size: 'L',
  });
  expect(() => readFields(fields, { phone: 'call me' })).toThrow('fields.phone: must be a phone number');
  expect(() => readFields(fields, { size: 'M' })).toThrow('fields.size');
  expect(() => readFields(fields, { age: '7' })).toThrow('fields.age: this project has no such field');
});
