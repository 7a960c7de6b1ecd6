// The loader's own texts, because it labels its button before any other text is loaded.
export interface LauncherTexts {
  open: string;
  close: string;
  unread: string;
}

export const launcherTexts: Record<string, LauncherTexts> = {
  en: { open: 'Open chat', close: 'Close chat', unread: '{count} unread' },
  de: { open: 'Chat öffnen', close: 'Chat schließen', unread: '{count} ungelesen' },
  es: { open: 'Abrir el chat', close: 'Cerrar el chat', unread: '{count} sin leer' },
  ar: { open: 'فتح المحادثة', close: 'إغلاق المحادثة', unread: '{count} غير مقروءة' },
};

/** The language that the widget speaks for a language tag: its own if it has it, else English. */
export function languageOf(tag: string | undefined): string {
  const language = tag?.toLowerCase().split('-')[0] ?? '';
  return language in launcherTexts ? language : 'en';
}

export const isRightToLeft = (language: string) => language === 'ar';

export const fill = (text: string, values: Record<string, string | number>) =>
  text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
