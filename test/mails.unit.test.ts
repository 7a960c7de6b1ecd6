import { expect, test } from 'vitest';
import { renderMail, type RenderableMail } from '../activities/mails/render.ts';
import { mailServer, readConfig } from '../config.ts';
import { type MailLanguage, mailLanguageOf, mailLanguages } from '../domain/mails.ts';

const brand = { name: 'Lamps & Co', color: '#facc15' };
const all = (language: MailLanguage): RenderableMail[] => [
  { template: 'account_code', params: { code: '123456', minutes: 10 }, language, brand },
  {
    template: 'password_reset',
    params: { link: 'https://a.example/?x=1&y=2', minutes: 60 },
    language,
    brand,
  },
  {
    template: 'invitation',
    params: { workspace: 'Shop', inviter: 'Ada', link: 'https://a.example/i' },
    language,
    brand,
  },
  { template: 'key_public_warning', params: { project: 'Shop', keyPrefix: 'cb_live_abcd' }, language, brand },
  { template: 'lead_code', params: { code: '123456', minutes: 10, project: 'Shop' }, language, brand },
  {
    template: 'lead_notification',
    params: {
      project: 'Shop',
      lead: { name: 'مريم', email: 'm@a.example', fields: { Company: 'A <b> & "C"' } },
      transcript: [
        { from: 'visitor', text: 'One\n<script>alert(1)</script>' },
        { from: 'assistant', text: 'Two' },
      ],
    },
    language,
    brand,
  },
];

test.each(mailLanguages)('every mail has a subject, a text and HTML that says the same: %s', (language) => {
  for (const mail of all(language)) {
    const { subject, text, html } = renderMail(mail);
    expect(subject.length).toBeGreaterThan(5);
    expect(subject + text).not.toMatch(/undefined|\[object/);
    expect(html).not.toMatch(/undefined|<script>/);
    expect(html).toContain(`lang="${language}" dir="${language === 'ar' ? 'rtl' : 'ltr'}"`);
    expect(html).toContain('Lamps &amp; Co');
    if ('code' in mail.params) expect(`${text}${html}`).toContain('123456');
    if ('minutes' in mail.params) expect(text).toMatch(/\b(10|60)\b/);
  }
});

test('what visitors wrote is text, never markup, and a subject is one line', () => {
  const { html, text } = renderMail(all('en').at(-1)!);
  expect(html).toContain('A &lt;b&gt; &amp; &quot;C&quot;');
  expect(html).toContain('One<br>&lt;script&gt;');
  expect(text).toContain('مريم: One\n<script>');
  const { subject } = renderMail({
    template: 'lead_notification',
    params: {
      project: 'Shop',
      lead: { name: 'A\r\nBcc: b@a.example', email: 'a@a.example', fields: {} },
      transcript: [],
    },
    language: 'en',
    brand,
  });
  expect(subject).toBe('New contact: A Bcc: b@a.example');
});

test('text on the project’s colour can be read', () => {
  const link = all('en')[1]!;
  expect(renderMail(link).html).toContain('background:#facc15;color:#000000');
  expect(renderMail({ ...link, brand: { ...brand, color: '#0f766e' } }).html).toContain('color:#ffffff');
});

test('the language nearest to the visitor’s', () => {
  expect(['de-AT', 'AR', 'es_MX', 'fr', undefined].map(mailLanguageOf)).toEqual([
    'de',
    'ar',
    'es',
    'en',
    'en',
  ]);
});

test('the mail server from any of the variables', () => {
  const server = (env: Record<string, string>) => mailServer(readConfig(env));
  expect(server({})).toBeUndefined();
  expect(server({ SMTP_URL: 'smtp://mail.example' })).toEqual({
    kind: 'smtp',
    url: 'smtp://mail.example',
    from: 'frontdesk@localhost',
  });
  expect(
    server({ SMTP_HOST: 'mail.example', SMTP_PORT: '465', SMTP_USER: 'a@a.example', SMTP_PASS: 'p/w' }),
  ).toEqual({ kind: 'smtp', url: 'smtps://a%40a.example:p%2Fw@mail.example:465', from: 'a@a.example' });
  expect(
    server({ SMTP_URL: 'smtp://m.example', RESEND_API_KEY: 'k', RESEND_FROM_EMAIL: 'b@a.example' }),
  ).toEqual({ kind: 'resend', apiKey: 'k', from: 'b@a.example' });
  expect(() => server({ RESEND_API_KEY: 'k' })).toThrow('RESEND_FROM_EMAIL');
});
