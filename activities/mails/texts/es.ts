import { type MailTexts, minutesIn } from '../content.ts';

const minutes = minutesIn('es');

export const es: MailTexts = {
  account_code: (mail) => ({
    subject: `${mail.code} es su código`,
    paragraphs: ['Introduzca este código para continuar:'],
    code: mail.code,
    note: `Es válido durante ${minutes(mail.minutes)} y para un solo uso. Si no lo ha pedido, ignore este correo.`,
  }),
  account_exists: () => ({
    subject: 'Ya tiene una cuenta',
    paragraphs: [
      'Alguien, esperamos que usted, ha querido registrarse con esta dirección, pero ya tiene una cuenta. Inicie sesión con ella; si ha olvidado la contraseña, pida allí una nueva.',
    ],
    note: 'Si no ha sido usted, ignore este correo.',
  }),
  password_reset: (mail) => ({
    subject: 'Elija una contraseña nueva',
    paragraphs: ['Alguien, esperamos que usted, ha pedido una contraseña nueva para esta dirección.'],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Elegir una contraseña nueva', url: mail.link },
    note: `Es válido durante ${minutes(mail.minutes)}. Si no lo ha pedido, ignore este correo: su contraseña no cambia.`,
  }),
  invitation: (mail) => ({
    subject: `${mail.inviter} le invita a ${mail.workspace}`,
    paragraphs: [`${mail.inviter} le invita a trabajar en ${mail.workspace}.`],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Aceptar la invitación', url: mail.link },
    note: 'Si no sabe de qué se trata, ignore este correo.',
  }),
  key_public_warning: (mail) => ({
    subject: `Una clave secreta de ${mail.project} es pública`,
    paragraphs: [
      `La clave secreta de ${mail.project} que empieza por ${mail.keyPrefix} se ha usado desde una página web, donde cualquiera puede leerla.`,
      'Cree una clave nueva, guárdela donde solo la vean sus servidores y revoque la antigua.',
    ],
  }),
  lead_code: (mail) => ({
    subject: `${mail.code} es su código para ${mail.project}`,
    paragraphs: ['Introduzca este código en el chat para confirmar su dirección de correo:'],
    code: mail.code,
    note: `Es válido durante ${minutes(mail.minutes)} y para un solo uso. Si no lo ha pedido, ignore este correo.`,
  }),
  lead_notification: (mail) => ({
    subject: `Nuevo contacto: ${mail.lead.name}`,
    paragraphs: [`Un visitante de ${mail.project} ha dejado sus datos de contacto.`],
    rows: [
      ['Nombre', mail.lead.name],
      ['Correo', mail.lead.email],
      ...Object.entries(mail.lead.fields),
      ...(mail.message ? [['Mensaje', mail.message] as [string, string]] : []),
    ],
    transcript: {
      heading: 'La conversación',
      lines: mail.transcript.map(({ from, text }) => ({
        from: from === 'visitor' ? mail.lead.name : 'Asistente',
        text,
      })),
    },
  }),
};
