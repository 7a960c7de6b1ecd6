import type { MailBrand, MailLanguage, MailParams, MailTemplate } from '../../domain/mails.ts';
import type { MailContent, MailTexts } from './content.ts';
import { ar } from './texts/ar.ts';
import { de } from './texts/de.ts';
import { en } from './texts/en.ts';
import { es } from './texts/es.ts';

const translations: Record<MailLanguage, MailTexts> = { en, de, es, ar };
const rightToLeft: readonly MailLanguage[] = ['ar'];

export type RenderableMail = {
  [T in MailTemplate]: { template: T; params: MailParams[T]; language: MailLanguage; brand: MailBrand };
}[MailTemplate];

/** The mail as plain text and as HTML, in its language and its project's colour. */
export function renderMail(mail: RenderableMail): { subject: string; text: string; html: string } {
  const say = translations[mail.language][mail.template] as (params: unknown) => MailContent;
  const content = say(mail.params);
  return {
    // A line break would begin a header of its own.
    subject: content.subject.replace(/\s+/g, ' ').slice(0, 200),
    text: plain(content, mail.brand),
    html: html(content, mail),
  };
}

function plain(content: MailContent, brand: MailBrand): string {
  const { paragraphs, code, link, rows = [], transcript, note } = content;
  const blocks = [...paragraphs];
  if (code !== undefined) blocks.push(`    ${code}`);
  if (link) blocks.push(`${link.label}:\n${link.url}`);
  if (rows.length > 0) blocks.push(rows.map(([label, value]) => `${label}: ${value}`).join('\n'));
  if (transcript && transcript.lines.length > 0) {
    blocks.push(transcript.heading, ...transcript.lines.map(({ from, text }) => `${from}: ${text}`));
  }
  if (note) blocks.push(note);
  return `${[...blocks, `-- \n${brand.name}`].join('\n\n')}\n`;
}

const gray = '#4b5563';

/** Tables and inline styles: what every mail program shows alike. */
function html(content: MailContent, { language, brand }: RenderableMail): string {
  const direction = rightToLeft.includes(language) ? 'rtl' : 'ltr';
  const start = direction === 'rtl' ? 'right' : 'left';
  const color = escaped(brand.color);
  const { paragraphs, code, link, rows = [], transcript, note } = content;
  const parts = paragraphs.map((text) => `<p style="margin:0 0 16px">${lines(text)}</p>`);
  if (code !== undefined) {
    parts.push(
      `<p style="margin:0 0 16px;font-size:28px;font-weight:bold;letter-spacing:4px;color:${color}">` +
        `<bdi dir="ltr">${escaped(code)}</bdi></p>`,
    );
  }
  if (link) {
    parts.push(
      `<p style="margin:0 0 16px"><a href="${escaped(link.url)}" style="display:inline-block;padding:10px 18px;` +
        `border-radius:6px;background:${color};color:${textOn(brand.color)};text-decoration:none">${escaped(link.label)}</a></p>`,
    );
  }
  if (rows.length > 0) {
    const cells = rows.map(
      ([label, value]) =>
        `<tr><td style="padding:2px 16px 2px 0;color:${gray};vertical-align:top">${escaped(label)}</td>` +
        `<td style="padding:2px 0"><bdi>${lines(value)}</bdi></td></tr>`,
    );
    parts.push(`<table role="presentation" style="margin:0 0 16px">${cells.join('')}</table>`);
  }
  if (transcript && transcript.lines.length > 0) {
    parts.push(`<p style="margin:0 0 8px;color:${gray}">${escaped(transcript.heading)}</p>`);
    for (const { from, text } of transcript.lines) {
      parts.push(
        `<p dir="auto" style="margin:0 0 8px"><strong>${escaped(from)}</strong><br>${lines(text)}</p>`,
      );
    }
  }
  if (note) parts.push(`<p style="margin:0;color:${gray};font-size:13px">${lines(note)}</p>`);
  return (
    `<!doctype html><html lang="${language}" dir="${direction}"><head><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width"><title>${escaped(content.subject)}</title></head>` +
    `<body style="margin:0;padding:24px;background:#f3f4f6;font-family:system-ui,sans-serif;font-size:16px;` +
    `line-height:1.5;color:#111827"><table role="presentation" align="center" style="width:100%;max-width:560px;` +
    `background:#ffffff;border-top:4px solid ${color};text-align:${start}"><tr><td style="padding:24px">` +
    `<p style="margin:0 0 16px;font-weight:bold;color:${color}">${escaped(brand.name)}</p>${parts.join('')}` +
    '</td></tr></table></body></html>'
  );
}

/** Black or white, whichever is read better on the colour (WCAG's relative luminance). */
function textOn(color: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000000' : '#ffffff';
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string) => text.replace(/[&<>"']/g, (sign) => escapes[sign]!);
const lines = (text: string) => escaped(text).replaceAll('\n', '<br>');
