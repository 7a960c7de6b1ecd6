import type { LeadTexts } from './texts.ts';

export const en: LeadTexts = {
  askName: 'May I have your name, please?',
  askEmail: (name) => `Nice to meet you, ${name}. What is your e-mail address?`,
  askEmailAgain: 'What is your e-mail address?',
  askCode: (email) => `I have sent a code of six digits to ${email}. Please enter it here.`,
  kept: 'I have noted your question and will answer it in a moment.',
  verified: (name) => `Thank you, ${name}. Your address is confirmed. How can I help you?`,
  nameInvalid: 'I did not understand that as a name. Please tell me your name only.',
  emailInvalid: 'That does not look like an e-mail address. Please check it: name@example.com.',
  emailDisposable:
    'Please give an address that you will still have tomorrow; this one is a throw-away address.',
  emailWithoutServer: 'The domain of this address takes no mail. Please check the spelling.',
  emailRefused: (email) => `The mail to ${email} was refused. Please check the address, or give another one.`,
  codeWrong: (left) => `That is not the code. Tries left: ${left}.`,
  codeExpired: 'The code has expired. Please ask for another one.',
  blocked: 'That were too many wrong codes. Please begin again later.',
  codeResent: (email) => `I have sent another code to ${email}. Only the newest one works.`,
  resendTooSoon: (seconds) =>
    `Another code can be sent in ${seconds} s. Please look into your spam folder, too.`,
  resendTooOften: 'No more codes can be sent in this conversation. Please begin again later.',
  mailLimit: 'Too many codes were asked for. Please try again later.',
};
