import { type MailTexts, minutesIn } from '../content.ts';

const minutes = minutesIn('de');

export const de: MailTexts = {
  account_code: (mail) => ({
    subject: `${mail.code} ist Ihr Code`,
    paragraphs: ['Geben Sie diesen Code ein, um fortzufahren:'],
    code: mail.code,
    note: `Gültigkeit: ${minutes(mail.minutes)}, für eine einzige Verwendung. Wenn Sie ihn nicht angefordert haben, ignorieren Sie diese E-Mail.`,
  }),
  account_exists: () => ({
    subject: 'Sie haben schon ein Konto',
    paragraphs: [
      'Jemand, hoffentlich Sie selbst, wollte sich mit dieser Adresse registrieren, doch sie hat schon ein Konto. Melden Sie sich damit an; falls Sie das Passwort vergessen haben, fordern Sie dort ein neues an.',
    ],
    note: 'Falls Sie es nicht waren, ignorieren Sie diese Mail.',
  }),
  password_reset: (mail) => ({
    subject: 'Neues Passwort wählen',
    paragraphs: ['Jemand, hoffentlich Sie, hat für diese Adresse ein neues Passwort angefordert.'],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Neues Passwort wählen', url: mail.link },
    note: `Gültigkeit: ${minutes(mail.minutes)}. Wenn Sie es nicht angefordert haben, ignorieren Sie diese E-Mail: Ihr Passwort bleibt.`,
  }),
  invitation: (mail) => ({
    subject: `${mail.inviter} lädt Sie zu ${mail.workspace} ein`,
    paragraphs: [`${mail.inviter} lädt Sie ein, in ${mail.workspace} mitzuarbeiten.`],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Einladung annehmen', url: mail.link },
    note: 'Wenn Sie nicht wissen, worum es geht, ignorieren Sie diese E-Mail.',
  }),
  key_public_warning: (mail) => ({
    subject: `Ein geheimer Schlüssel von ${mail.project} ist öffentlich`,
    paragraphs: [
      `Der geheime Schlüssel von ${mail.project}, der mit ${mail.keyPrefix} beginnt, wurde von einer Webseite aus verwendet, wo ihn alle lesen können.`,
      'Erzeugen Sie einen neuen Schlüssel, legen Sie ihn dort ab, wo ihn nur Ihre Server sehen, und widerrufen Sie den alten.',
    ],
  }),
  lead_code: (mail) => ({
    subject: `${mail.code} ist Ihr Code für ${mail.project}`,
    paragraphs: ['Geben Sie diesen Code im Chat ein, um Ihre E-Mail-Adresse zu bestätigen:'],
    code: mail.code,
    note: `Gültigkeit: ${minutes(mail.minutes)}, für eine einzige Verwendung. Wenn Sie ihn nicht angefordert haben, ignorieren Sie diese E-Mail.`,
  }),
  lead_notification: (mail) => ({
    subject: `Neuer Kontakt: ${mail.lead.name}`,
    paragraphs: [`Ein Besucher von ${mail.project} hat seine Kontaktdaten hinterlassen.`],
    rows: [
      ['Name', mail.lead.name],
      ['E-Mail', mail.lead.email],
      ...Object.entries(mail.lead.fields),
      ...(mail.message ? [['Nachricht', mail.message] as [string, string]] : []),
    ],
    transcript: {
      heading: 'Das Gespräch',
      lines: mail.transcript.map(({ from, text }) => ({
        from: from === 'visitor' ? mail.lead.name : 'Assistent',
        text,
      })),
    },
  }),
};
