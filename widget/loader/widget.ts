// One widget on a page: its launcher now, its panel once the visitor shows interest.
import { isRightToLeft, languageOf, fill, launcherTexts } from '../texts/launcher.ts';
import { h, icon } from './dom.ts';
import css from './launcher.css';
import type { Identity, LauncherOptions, PanelOptions, Position, ReadAttribute, Texts } from './options.ts';
import { loadSettings, type Settings, storageName, stored } from './settings.ts';
import { addStyle, applyColours, onSchemeChange } from './style.ts';

/** What a page can listen to, with what its listeners get. */
export interface WidgetEvents {
  ready: undefined;
  open: undefined;
  close: undefined;
  message: { text: string };
  answer: { turnId: string; status: string; text: string; sources: unknown[] };
  error: { code: string; message: string };
  lead: { stage: string };
  unread: { count: number };
  destroy: undefined;
}

export interface Widget {
  open(): Promise<void>;
  close(): void;
  /** Says who the visitor is. Without a signed token it is only a greeting. */
  identify(identity: Identity): void;
  /** Forgets the visitor and the conversation. */
  logout(): void;
  sendMessage(text: string): Promise<void>;
  /** Returns the function that stops listening. */
  on<E extends keyof WidgetEvents>(event: E, listener: (detail: WidgetEvents[E]) => void): () => void;
  destroy(): void;
}

/** What the loader gives to the panel. */
export interface PanelContext {
  options: LauncherOptions;
  /** The page's options for the panel, or the script tag that has them. */
  page: PanelOptions | ReadAttribute;
  /** Who the visitor is, if the page said so since. */
  user: Identity | undefined;
  settings: Partial<Settings>;
  storageName: string;
  language: string;
  texts: Partial<Texts>;
  root: HTMLElement;
  addStyle(css: string): void;
  emit<E extends keyof WidgetEvents>(event: E, detail: WidgetEvents[E]): void;
  setUnread(count: number): void;
  close(): void;
}

/** What the panel's module gives back. */
export interface Panel {
  show(): void;
  hide(): void;
  send(text: string): void;
  identify(identity: Identity | undefined): void;
  logout(): void;
  destroy(): void;
}
export interface PanelModule {
  createPanel(context: PanelContext): Promise<Panel>;
}

const bell = 'M5 16.5a7 7 0 0 1 14 0zM3.5 19.5h17M12 9.5V7M10.2 6.2h3.6';
const down = 'M6 9.5l6 6 6-6';

/** How many widgets already stand in each corner: the next one stands beside them. */
const corners = new Map<Position, number>();

export function createWidget(
  options: LauncherOptions,
  page: PanelOptions | ReadAttribute,
  onDestroy: (widget: Widget) => void,
): Widget {
  const listeners = new Map<string, Set<(detail: never) => void>>();
  const name = storageName(options);
  const host = document.createElement('frontdesk-chat');
  const shadow = host.attachShadow({ mode: 'open' });
  const root = h('div', { class: 'root' });
  const badge = h('span', { class: 'badge', hidden: true });
  const launcher = h(
    'button',
    { type: 'button', class: 'launcher', 'aria-haspopup': 'dialog', 'aria-expanded': 'false' },
    icon(bell),
    icon(down),
    badge,
  );
  let settings: Partial<Settings> = {};
  let texts: Partial<Texts> = {};
  let panel: Promise<Panel> | undefined;
  let isOpen = false;
  let unread = 0;
  let corner: Position | undefined;
  let destroyed = false;
  let user: Identity | undefined;

  const emit: PanelContext['emit'] = (event, detail) => {
    for (const listener of listeners.get(event) ?? []) {
      try {
        listener(detail as never);
      } catch (error) {
        console.error(error);
      }
    }
  };

  const language = () =>
    languageOf(options.language || document.documentElement.lang || settings.primaryLanguage);

  /** Shows what options and settings say. Runs again when the settings arrive late. */
  function apply(found: Partial<Settings>): void {
    settings = found;
    const spoken = language();
    texts = { ...launcherTexts[spoken], ...options.texts };
    root.lang = spoken;
    root.dir = isRightToLeft(spoken) ? 'rtl' : 'ltr';
    const usual = settings.position ?? 'bottom-right';
    // The usual corner is at the end of a line.
    place(options.position ?? (root.dir === 'rtl' && usual === 'bottom-right' ? 'bottom-left' : usual));
    applyColours(root, options.color ?? settings.primaryColor, options.theme);
    label();
  }

  function place(position: Position): void {
    if (corner === position) return;
    leaveCorner();
    corner = position;
    const before = corners.get(position) ?? 0;
    corners.set(position, before + 1);
    root.dataset.position = position;
    root.style.setProperty('--beside', String(before));
  }
  function leaveCorner(): void {
    if (corner) corners.set(corner, corners.get(corner)! - 1);
  }

  function label(): void {
    const count = unread > 0 ? `, ${fill(texts.unread ?? '', { count: unread })}` : '';
    launcher.setAttribute('aria-label', (isOpen ? texts.close : texts.open) + count);
    launcher.setAttribute('aria-expanded', String(isOpen));
    root.toggleAttribute('data-open', isOpen);
    badge.textContent = unread > 9 ? '9+' : String(unread);
    badge.hidden = unread === 0;
  }

  function loadPanel(): Promise<Panel> {
    panel ??= (async () => {
      const file = new URL(`${options.apiUrl}/widget/${PANEL_FILE}`).href;
      const [{ createPanel }] = await Promise.all([
        import(/* @vite-ignore */ file) as Promise<PanelModule>,
        applied,
      ]);
      return await createPanel({
        options,
        page,
        user,
        settings,
        storageName: name,
        language: language(),
        texts,
        root,
        addStyle: (text) => addStyle(shadow, text, options.nonce),
        emit,
        setUnread(count) {
          if (count === unread) return;
          unread = count;
          label();
          emit('unread', { count });
        },
        close: () => widget.close(),
      });
    })();
    panel.catch((error: unknown) => {
      // A broken connection while loading: the next click tries again.
      panel = undefined;
      emit('error', { code: 'PANEL_NOT_LOADED', message: String(error) });
    });
    return panel;
  }

  const widget: Widget = {
    async open() {
      if (isOpen || destroyed) return;
      isOpen = true;
      label();
      try {
        const loaded = await loadPanel();
        if (!isOpen || destroyed) return;
        loaded.show();
        emit('open', undefined);
      } catch {
        isOpen = false;
        label();
      }
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      label();
      void panel?.then((loaded) => loaded.hide());
      launcher.focus({ preventScroll: true });
      emit('close', undefined);
    },
    identify(identity) {
      user = identity;
      void panel?.then((loaded) => loaded.identify(identity));
    },
    logout() {
      user = undefined;
      void loadPanel().then((loaded) => loaded.logout());
    },
    async sendMessage(text) {
      const loaded = await loadPanel();
      await widget.open();
      loaded.send(text);
    },
    on(event, listener) {
      const all = listeners.get(event) ?? new Set();
      listeners.set(event, all.add(listener as never));
      return () => void all.delete(listener as never);
    },
    destroy() {
      if (destroyed) return;
      destroyed = true;
      isOpen = false;
      void panel?.then((loaded) => loaded.destroy());
      stopWatching();
      leaveCorner();
      host.remove();
      emit('destroy', undefined);
      onDestroy(widget);
    },
  };

  const warm = () => void loadPanel().catch(() => {});
  launcher.addEventListener('pointerenter', warm);
  launcher.addEventListener('focus', warm);
  launcher.addEventListener('click', () => (isOpen ? widget.close() : void widget.open()));

  addStyle(shadow, css, options.nonce);
  root.append(launcher);
  shadow.append(root);

  // A page with its own router may replace the whole body, and the widget with it.
  const observer = new MutationObserver(() => attach());
  function attach(): void {
    observer.observe(document.documentElement, { childList: true });
    if (!document.body) return;
    observer.observe(document.body, { childList: true });
    if (host.isConnected) return;
    document.body.append(host);
    // The top layer: no z-index is higher, and no transform of the page moves it. Older browsers have the z-index.
    host.popover = 'manual';
    host.showPopover?.();
  }
  const stopScheme = onSchemeChange(() =>
    applyColours(root, options.color ?? settings.primaryColor, options.theme),
  );
  const stopWatching = () => {
    observer.disconnect();
    stopScheme();
  };

  const applied = loadSettings(options, apply).then((found) => {
    if (destroyed) return;
    apply(found ?? {});
    attach();
    emit('ready', undefined);
    const kept = stored<{ busy?: boolean; closed?: boolean }>(name);
    if (options.open && !kept?.closed) void widget.open();
    // An answer may be under way since the page before, or its visitor may have left the panel open.
    else if (kept?.busy) warm();
  });
  return widget;
}
