// The file behind the script tag: reads its attributes, shows the launcher, and offers the JavaScript API.
import {
  apiUrlOf,
  type Identity,
  type LauncherOptions,
  launcherOptionsOf,
  type PanelOptions,
  positionOf,
  type ReadAttribute,
  type WidgetOptions,
} from './options.ts';
import { createWidget, type Widget } from './widget.ts';

interface FrontdeskApi extends Widget {
  /** All widgets of this page, oldest first. The calls of the API itself go to the first one. */
  widgets: readonly Widget[];
  /** Adds a widget. Without `apiUrl` the server is the one that this script came from. */
  create(options: Omit<Partial<WidgetOptions>, 'position'> & { apiKey: string; position?: string }): Widget;
  /** What `create` and script tags come to. */
  add(...args: [LauncherOptions, PanelOptions | ReadAttribute]): Widget;
}

declare global {
  interface Window {
    Frontdesk?: FrontdeskApi;
    SmartChat?: { identify(identity: Identity): void; logout(): void };
  }
}

const script = (document.currentScript ?? lastOwnScript()) as HTMLScriptElement | null;
const scriptUrl = script?.src || location.href;
const api = window.Frontdesk ?? createApi();
window.Frontdesk = api;
if (script?.dataset.apiKey) {
  const attribute: ReadAttribute = (name) => script.getAttribute(`data-${name}`);
  // Browsers hide a nonce from the page's style sheets: the attribute is empty, the property is not.
  api.add({ ...launcherOptionsOf(attribute, scriptUrl), nonce: script.nonce }, attribute);
}

/** A module or a script that a bundler moved has no `currentScript`. */
function lastOwnScript(): HTMLScriptElement | undefined {
  return [...document.querySelectorAll<HTMLScriptElement>('script[data-api-key]')].pop();
}

function createApi(): FrontdeskApi {
  const widgets: Widget[] = [];
  const first = () => widgets[0];
  // Listeners that came before the widget did, in a page that waits for `ready`.
  const early: Parameters<Widget['on']>[] = [];
  const api: FrontdeskApi = {
    widgets,
    create(given) {
      const apiUrl = apiUrlOf(given.apiUrl ?? new URL(scriptUrl).origin, location.href);
      return api.add({ ...given, apiUrl, position: positionOf(given.position) }, given);
    },
    add(options, page) {
      const widget = createWidget(options, page, (gone) => widgets.splice(widgets.indexOf(gone), 1));
      widgets.push(widget);
      for (const listener of early.splice(0)) widget.on(...listener);
      return widget;
    },
    open: async () => first()?.open(),
    close: () => first()?.close(),
    identify: (identity) => first()?.identify(identity),
    logout: () => first()?.logout(),
    sendMessage: async (text) => first()?.sendMessage(text),
    on(event, listener) {
      const widget = first();
      if (widget) return widget.on(event, listener);
      const entry = [event, listener] as unknown as Parameters<Widget['on']>;
      early.push(entry);
      return () => void (early.includes(entry) && early.splice(early.indexOf(entry), 1));
    },
    destroy: () => first()?.destroy(),
  };
  window.SmartChat ??= { identify: api.identify, logout: api.logout };
  return api;
}
