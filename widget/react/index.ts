// The widget as React components. They load the server's script once, and add and remove a widget with the component.
import { useEffect, useRef } from 'react';
import type { Identity, LeadMode, Theme } from '../loader/options.ts';
import type { Widget, WidgetEvents } from '../loader/widget.ts';

export type { Widget, WidgetEvents };

export interface FrontdeskProps {
  apiKey: string;
  /** The server, such as `https://desk.example.com`. */
  apiUrl: string;
  title?: string;
  welcome?: string;
  placeholder?: string;
  notice?: string;
  color?: string;
  position?: 'bottom-right' | 'bottom-left' | 'top-right' | 'top-left' | 'left' | 'right';
  language?: string;
  theme?: Theme;
  avatar?: string;
  open?: boolean;
  lead?: LeadMode;
  suggestions?: string[];
  texts?: Record<string, string>;
  /** Who the visitor is. A change is told to the widget without making it anew. */
  user?: Identity;
  /** For pages with a content security policy. */
  nonce?: string;
  /** Gets the widget, to call it and to listen to it; it is gone when the component is. */
  onReady?: (widget: Widget) => void;
}

const scripts = new Map<string, Promise<void>>();

/** Loads the script of a server once for the whole page. */
function load(apiUrl: string, nonce: string | undefined): Promise<void> {
  const src = `${apiUrl.replace(/\/+$/, '')}/widget.js`;
  const loading =
    scripts.get(src) ??
    new Promise<void>((resolve, reject) => {
      const script = document.createElement('script');
      script.src = src;
      script.async = true;
      if (nonce) script.nonce = nonce;
      script.addEventListener('load', () => resolve());
      script.addEventListener('error', () => {
        // The next component tries again.
        scripts.delete(src);
        script.remove();
        reject(new Error(`${src} could not be loaded`));
      });
      document.head.append(script);
    });
  scripts.set(src, loading);
  return loading;
}

/** The widget. Renders nothing of its own where it stands: it is in a corner of the page. */
export function Frontdesk({ user, onReady, ...options }: FrontdeskProps): null {
  const widget = useRef<Widget | undefined>(undefined);
  // Objects and functions are new with every render; what they say decides.
  const settings = JSON.stringify(options);
  const identity = JSON.stringify(user ?? null);
  const ready = useRef(onReady);
  ready.current = onReady;
  const first = useRef(user);
  first.current = user;

  useEffect(() => {
    const given = JSON.parse(settings) as Omit<FrontdeskProps, 'user' | 'onReady'>;
    let gone = false;
    load(given.apiUrl, given.nonce).then(
      () => {
        if (gone) return;
        widget.current = window.Frontdesk?.create({ ...given, user: first.current });
        if (widget.current) ready.current?.(widget.current);
      },
      (error: unknown) => console.error(error),
    );
    return () => {
      gone = true;
      widget.current?.destroy();
      widget.current = undefined;
    };
  }, [settings]);

  useEffect(() => {
    const who = JSON.parse(identity) as Identity | null;
    if (who) widget.current?.identify(who);
  }, [identity]);

  return null;
}

export interface AskMySiteProps {
  apiKey: string;
  position?: FrontdeskProps['position'];
  primaryColor?: string;
  apiBaseUrl?: string;
}

/** The same under the name and with the props of an existing package. */
export function AskMySite({ apiKey, position, primaryColor, apiBaseUrl = '' }: AskMySiteProps): null {
  // Its address may be that of its own two calls.
  const apiUrl = (apiBaseUrl || location.origin).replace(/\/+$/, '').replace(/\/api(\/chatbot)?$/, '');
  return Frontdesk({
    apiKey,
    apiUrl,
    ...(position ? { position } : {}),
    ...(primaryColor ? { color: primaryColor } : {}),
  });
}
