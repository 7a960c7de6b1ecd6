import type { LeadTexts } from './texts.ts';

export const es: LeadTexts = {
  askName: '¿Cómo se llama, por favor?',
  askEmail: (name) => `Mucho gusto, ${name}. ¿Cuál es su dirección de correo electrónico?`,
  askEmailAgain: '¿Cuál es su dirección de correo electrónico?',
  askCode: (email) => `He enviado un código de seis cifras a ${email}. Introdúzcalo aquí, por favor.`,
  kept: 'He anotado su pregunta y la responderé enseguida.',
  verified: (name) => `Gracias, ${name}. Su dirección está confirmada. ¿En qué puedo ayudarle?`,
  nameInvalid: 'No he entendido eso como un nombre. Dígame solo su nombre, por favor.',
  emailInvalid: 'Eso no parece una dirección de correo. Compruébela, por favor: nombre@example.com.',
  emailDisposable: 'Dé una dirección que siga teniendo mañana, por favor; esta es de usar y tirar.',
  emailWithoutServer: 'El dominio de esta dirección no recibe correo. Compruebe la ortografía, por favor.',
  emailRefused: (email) => `El correo a ${email} fue rechazado. Compruebe la dirección o dé otra, por favor.`,
  codeWrong: (left) => `Ese no es el código. Intentos restantes: ${left}.`,
  codeExpired: 'El código ha caducado. Pida otro, por favor.',
  blocked: 'Demasiados códigos incorrectos. Empiece de nuevo más tarde, por favor.',
  codeResent: (email) => `He enviado otro código a ${email}. Solo vale el más reciente.`,
  resendTooSoon: (seconds) =>
    `Se podrá enviar otro código en ${seconds} s. Mire también en la carpeta de spam.`,
  resendTooOften:
    'No se pueden enviar más códigos en esta conversación. Empiece de nuevo más tarde, por favor.',
  mailLimit: 'Se han pedido demasiados códigos. Inténtelo más tarde, por favor.',
};
