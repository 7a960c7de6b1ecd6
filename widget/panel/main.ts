// The panel: loaded once the visitor shows interest, and until then costs the page nothing.
import { h } from '../loader/dom.ts';
import { type Identity, panelOptionsOf, type WidgetOptions } from '../loader/options.ts';
import { stored } from '../loader/settings.ts';
import type { Panel, PanelContext } from '../loader/widget.ts';
import type { Texts } from '../texts/en.ts';
import { fill } from '../texts/launcher.ts';
import { createApi } from './api.ts';
import { createComposer } from './composer.ts';
import { type Change, type ChatTurn, createConversation, isOpen, type Lead } from './conversation.ts';
import { createDialog } from './dialog.ts';
import { createDriver } from './driver.ts';
import { createHeader } from './header.ts';
import { createIntroduction, loadForms } from './introduction.ts';
import { createLog } from './log.ts';
import css from './panel.css';
import { problemText } from './problems.ts';
import { createTurnView, type TurnView } from './turn-view.ts';
import { createVisitor } from './visitor.ts';
import { warmUp } from './warm-up.ts';
import { createWelcome } from './welcome.ts';

/** Older turns are shown on request, so that opening a long conversation stays quick. */
const shownTurns = 20;
/** Letters of an answer that are announced at most. */
const readOut = 800;

const languages: Record<string, () => Promise<{ texts: Texts }>> = {
  en: () => import('../texts/en.ts'),
  de: () => import('../texts/de.ts'),
  es: () => import('../texts/es.ts'),
  ar: () => import('../texts/ar.ts'),
};

export async function createPanel(context: PanelContext): Promise<Panel> {
  const { settings, root } = context;
  const options: WidgetOptions = {
    ...(typeof context.page === 'function' ? panelOptionsOf(context.page) : context.page),
    ...context.options,
    ...(context.user ? { user: context.user } : {}),
  };
  const leadMode = options.lead ?? settings.leadMode ?? 'off';
  const { lead } = stored<{ lead?: Lead }>(context.storageName) ?? {};
  const needsForms = settings.requiresLogin || leadMode !== 'off' || lead;
  const [spoken, forms] = await Promise.all([
    languages[context.language]!(),
    needsForms ? loadForms() : undefined,
  ]);
  const texts: Texts = { ...spoken.texts, ...options.texts };
  const title = options.title || settings.chatbotName || settings.siteName || 'Assistant';
  const visitor = createVisitor(context.storageName, options.user);
  context.addStyle(css);

  const api = createApi(options, () => visitor.token);
  const conversation = createConversation(context.storageName, onChange);
  const views = new Map<string, TurnView>();
  /** The questions whose end is still to be told. */
  const awaited = new Set<string>();
  let warming: ReturnType<typeof setTimeout> | undefined;
  let firstShown = Math.max(0, conversation.turns.length - shownTurns);

  const driver = createDriver(context.storageName, api, conversation, visitor, {
    trouble: (id, trouble) => views.get(id)?.trouble(trouble),
    end(turn) {
      const { turnId = '', state: status, reply: text, sources } = turn;
      context.emit('answer', { turnId, status, text, sources });
      introduction.ended(status);
    },
    failed({ code, message }) {
      // Where its form cannot be loaded, the next try asks for it again.
      if (code === 'VISITOR_LOGIN_REQUIRED') introduction.requireSignIn().catch(() => {});
      context.emit('error', { code, message });
    },
  });

  // ---- What is on the screen

  const header = createHeader(
    { title, texts, avatar: options.avatar || settings.avatarUrl },
    {
      close: () => context.close(),
      restart: () => {
        conversation.clear();
        composer.focus();
      },
    },
  );
  const log = createLog(texts);
  const composer = createComposer(
    { ...texts, ...(options.placeholder ? { placeholder: options.placeholder } : {}) },
    {
      send: ask,
      stop() {
        const turn = conversation.turns.find(isOpen);
        if (!turn) return;
        views.get(turn.id)?.update(turn);
        void driver.stop(turn);
      },
    },
  );
  const announcer = h('p', { class: 'hidden', role: 'status' });
  const notice = h('p', { class: 'notice' });
  const footer = h('footer', {}, composer.node, notice);
  const dialog = createDialog(
    fill(texts.dialog, { title }),
    () => context.close(),
    header.node,
    log.node,
    footer,
    announcer,
  );
  const welcome = createWelcome(texts, options.suggestions ?? settings.suggestedQuestions ?? [], (question) =>
    ask(question),
  );
  const earlier = h('button', { type: 'button', class: 'quiet earlier' }, texts.earlier);
  root.prepend(dialog.node);

  const announce = (text: string) => {
    announcer.textContent = text;
  };

  const introduction = createIntroduction(
    {
      texts,
      language: context.language,
      settings,
      mode: leadMode,
      forms,
      api,
      conversation,
      visitor,
      log,
      composer,
    },
    {
      announce,
      stage: (stage) => context.emit('lead', { stage }),
      signedIn() {
        greet();
        draw();
      },
      ready: () => dialog.isShown && composer.focus(),
    },
  );

  function greet(): void {
    const said = options.welcome || settings.welcomeMessage;
    welcome.greet(said || (visitor.name ? fill(texts.welcomeName, { name: visitor.name }) : texts.welcome));
  }
  function remind(): void {
    const { lead } = conversation;
    const left =
      lead?.remaining === undefined ? '' : `${fill(texts.remaining, { count: lead.remaining })} · `;
    notice.textContent = left + (options.notice ?? texts.notice);
    notice.hidden = notice.textContent === '';
  }

  /** Everything anew: at the beginning and after a conversation was removed. */
  function draw(): void {
    for (const view of views.values()) view.destroy();
    views.clear();
    const turns = conversation.turns.slice(firstShown);
    log.content.replaceChildren(welcome.node);
    if (firstShown > 0) log.content.replaceChildren(earlier);
    for (const turn of turns) log.content.append(viewOf(turn).node);
    introduction.draw();
    refresh();
  }
  function viewOf(turn: ChatTurn): TurnView {
    const view = createTurnView(turn, texts, {
      retry,
      rate,
      announce,
      grown: () => dialog.isShown && log.follow(newest()),
    });
    views.set(turn.id, view);
    if (isOpen(turn)) awaited.add(turn.id);
    const live = conversation.liveText(turn.id);
    if (live) view.write(live);
    return view;
  }
  const newest = () => views.get(conversation.turns.at(-1)?.id ?? '')?.node;

  function refresh(): void {
    const busy = conversation.turns.some(isOpen);
    composer.setBusy(busy);
    header.setEmpty(conversation.turns.length === 0);
    welcome.setEmpty(conversation.turns.length === 0);
    remind();
  }

  // ---- What happens

  function onChange(change: Change): void {
    switch (change.kind) {
      case 'turn':
        onTurn(change.turn);
        break;
      case 'live':
        views.get(change.id)?.write(conversation.liveText(change.id));
        break;
      case 'remove':
        views.get(change.id)?.destroy();
        views.get(change.id)?.node.remove();
        views.delete(change.id);
        break;
      case 'clear':
        firstShown = 0;
        draw();
        break;
      case 'lead':
        introduction.update();
        remind();
        break;
      case 'unread':
        // Another tab counts what this one has on its screen.
        if (change.count > 0 && dialog.isShown && !document.hidden) conversation.setUnread(0);
        else context.setUnread(change.count);
        break;
    }
  }

  function onTurn(turn: ChatTurn): void {
    const view = views.get(turn.id);
    if (view) view.update(turn);
    else {
      log.content.append(viewOf(turn).node);
      introduction.toEnd();
    }
    refresh();
    // Thumbs change a turn as well, which is no news.
    if (!isOpen(turn) && awaited.delete(turn.id)) {
      if (dialog.isShown) announce(beginningOf(turn.reply) || problemText(texts, turn.problem ?? {}));
      else if (turn.state === 'answered' || turn.state === 'declined')
        conversation.setUnread(conversation.unread + 1);
    }
    if (dialog.isShown) log.follow(newest());
    driver.kick();
  }

  function ask(question: string, formatted = false): void {
    context.emit('message', { text: question });
    const turn = conversation.ask(question, formatted);
    announce(texts.answering);
    log.toEnd(views.get(turn.id)?.node);
    driver.kick();
  }

  function retry(turn: ChatTurn): void {
    conversation.remove(turn.id);
    ask(turn.question, turn.formatted);
    composer.focus();
  }

  async function rate(turn: ChatTurn, rating: 'up' | 'down' | null, text?: string): Promise<void> {
    const latest = conversation.find(turn.id);
    if (latest && latest.rating !== (rating ?? undefined))
      conversation.change(turn.id, { rating: rating ?? undefined });
    await api.rate(turn, rating, text).catch(() => {});
  }

  earlier.addEventListener('click', () => {
    firstShown = Math.max(0, firstShown - shownTurns);
    draw();
  });
  const online = () => {
    header.setOffline(!navigator.onLine);
    driver.kick();
  };
  addEventListener('online', online);
  addEventListener('offline', online);

  greet();
  draw();
  online();
  context.setUnread(conversation.unread);
  driver.kick();

  return {
    show() {
      dialog.show();
      warming ??= setTimeout(warmUp, 400, dialog.node, texts.you);
      conversation.setUnread(0);
      log.toEnd(newest());
      introduction.focus();
    },
    hide() {
      dialog.hide();
      conversation.setClosed();
    },
    send: (text) => ask(text),
    identify(identity: Identity | undefined) {
      visitor.identify(identity);
      greet();
      if (introduction.isSigningIn && visitor.token) draw();
    },
    logout() {
      visitor.forget();
      conversation.setLead(undefined);
      conversation.clear();
      greet();
    },
    destroy() {
      for (const view of views.values()) view.destroy();
      introduction.destroy();
      clearTimeout(warming);
      driver.destroy();
      conversation.close();
      removeEventListener('online', online);
      removeEventListener('offline', online);
    },
  };
}

/** What is read out cannot be skimmed: of a long answer the beginning, up to a word's end. */
const beginningOf = (text: string) =>
  text.length <= readOut ? text : `${text.slice(0, text.lastIndexOf(' ', readOut))} …`;
