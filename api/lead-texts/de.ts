import type { LeadTexts } from './texts.ts';

export const de: LeadTexts = {
  askName: 'Wie heißen Sie, bitte?',
  askEmail: (name) => `Freut mich, ${name}. Wie lautet Ihre E-Mail-Adresse?`,
  askEmailAgain: 'Wie lautet Ihre E-Mail-Adresse?',
  askCode: (email) =>
    `Ich habe einen sechsstelligen Code an ${email} geschickt. Bitte geben Sie ihn hier ein.`,
  kept: 'Ich habe Ihre Frage notiert und beantworte sie gleich.',
  verified: (name) => `Danke, ${name}. Ihre Adresse ist bestätigt. Wie kann ich Ihnen helfen?`,
  nameInvalid: 'Das habe ich nicht als Namen verstanden. Bitte nennen Sie nur Ihren Namen.',
  emailInvalid: 'Das sieht nicht wie eine E-Mail-Adresse aus. Bitte prüfen Sie sie: name@example.com.',
  emailDisposable:
    'Bitte geben Sie eine Adresse an, die Sie auch morgen noch haben; diese ist eine Wegwerfadresse.',
  emailWithoutServer: 'Die Domain dieser Adresse nimmt keine E-Mails an. Bitte prüfen Sie die Schreibweise.',
  emailRefused: (email) =>
    `Die E-Mail an ${email} wurde abgelehnt. Bitte prüfen Sie die Adresse oder nennen Sie eine andere.`,
  codeWrong: (left) => `Das ist nicht der Code. Verbleibende Versuche: ${left}.`,
  codeExpired: 'Der Code ist abgelaufen. Bitte fordern Sie einen neuen an.',
  blocked: 'Das waren zu viele falsche Codes. Bitte beginnen Sie später von vorn.',
  codeResent: (email) => `Ich habe einen weiteren Code an ${email} geschickt. Nur der neueste gilt.`,
  resendTooSoon: (seconds) =>
    `Ein weiterer Code kann in ${seconds} s gesendet werden. Bitte sehen Sie auch im Spam-Ordner nach.`,
  resendTooOften:
    'In diesem Gespräch können keine weiteren Codes gesendet werden. Bitte beginnen Sie später von vorn.',
  mailLimit: 'Es wurden zu viele Codes angefordert. Bitte versuchen Sie es später noch einmal.',
};
