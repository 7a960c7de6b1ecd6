import { type MailTexts, minutesIn } from '../content.ts';

const minutes = minutesIn('en');

export const en: MailTexts = {
  account_code: (mail) => ({
    subject: `${mail.code} is your code`,
    paragraphs: ['Enter this code to go on:'],
    code: mail.code,
    note: `It is valid for ${minutes(mail.minutes)} and works once. If you did not ask for it, ignore this mail.`,
  }),
  account_exists: () => ({
    subject: 'You have an account already',
    paragraphs: [
      'Someone, we hope you, wanted to register with this address, but it has an account already. Sign in with it; if you have forgotten the password, ask for a new one there.',
    ],
    note: 'If it was not you, ignore this mail.',
  }),
  password_reset: (mail) => ({
    subject: 'Choose a new password',
    paragraphs: ['Someone, we hope you, asked for a new password for this address.'],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Choose a new password', url: mail.link },
    note: `This is valid for ${minutes(mail.minutes)}. If you did not ask for it, ignore this mail: your password stays.`,
  }),
  invitation: (mail) => ({
    subject: `${mail.inviter} invites you to ${mail.workspace}`,
    paragraphs: [`${mail.inviter} invites you to work in ${mail.workspace}.`],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'Accept the invitation', url: mail.link },
    note: 'If you do not know what this is about, ignore this mail.',
  }),
  key_public_warning: (mail) => ({
    subject: `A secret key of ${mail.project} is public`,
    paragraphs: [
      `The secret key of ${mail.project} that begins with ${mail.keyPrefix} was used from a web page, where everyone can read it.`,
      'Make a new key, put it where only your servers see it, and revoke the old one.',
    ],
  }),
  lead_code: (mail) => ({
    subject: `${mail.code} is your code for ${mail.project}`,
    paragraphs: ['Enter this code in the chat to confirm your e-mail address:'],
    code: mail.code,
    note: `It is valid for ${minutes(mail.minutes)} and works once. If you did not ask for it, ignore this mail.`,
  }),
  lead_notification: (mail) => ({
    subject: `New contact: ${mail.lead.name}`,
    paragraphs: [`A visitor of ${mail.project} left their contact.`],
    rows: [
      ['Name', mail.lead.name],
      ['E-mail', mail.lead.email],
      ...Object.entries(mail.lead.fields),
      ...(mail.message ? [['Message', mail.message] as [string, string]] : []),
    ],
    transcript: {
      heading: 'The conversation',
      lines: mail.transcript.map(({ from, text }) => ({
        from: from === 'visitor' ? mail.lead.name : 'Assistant',
        text,
      })),
    },
  }),
};
