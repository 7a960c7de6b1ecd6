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
import { createDriver } from './driver.ts';
import { createHeader } from './header.ts';
import type { LeadView } from './lead.ts';
import { createLog } from './log.ts';
import type { SignInView } from './login.ts';
import { warmUp } from './markdown.ts';
import css from './panel.css';
import { createTurnView, type TurnView } from './turn-view.ts';
import { createVisitor } from './visitor.ts';
import { createWelcome } from './welcome.ts';

/** Older turns are shown on request, so that opening a long conversation stays quick. */
const shownTurns = 20;

const languages: Record<string, () => Promise<{ texts: Texts }>> = {
  en: () => import('../texts/en.ts'),
  de: () => import('../texts/de.ts'),
  es: () => import('../texts/es.ts'),
  ar: () => import('../texts/ar.ts'),
};

const loadForms = () => import('./forms.ts');

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
  let [spoken, forms] = await Promise.all([
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
  let visible = false;
  let firstShown = Math.max(0, conversation.turns.length - shownTurns);
  let leadView: LeadView | undefined;
  let signInView: SignInView | undefined;

  const driver = createDriver(context.storageName, api, conversation, visitor, {
    trouble: (id, trouble) => views.get(id)?.trouble(trouble),
    end(turn) {
      const { turnId = '', state: status, reply: text, sources } = turn;
      context.emit('answer', { turnId, status, text, sources });
      if (isMoment(status)) offerLead();
    },
    refused({ code, message }) {
      // Where its form cannot be loaded, the next try asks for it again.
      if (code === 'VISITOR_LOGIN_REQUIRED') requireSignIn().catch(() => {});
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
  const panel = h(
    'div',
    { class: 'panel', role: 'dialog', 'aria-label': fill(texts.dialog, { title }), hidden: true },
    header.node,
    log.node,
    footer,
    announcer,
  );
  const welcome = createWelcome(texts, options.suggestions ?? settings.suggestedQuestions ?? [], (question) =>
    ask(question),
  );
  const earlier = h('button', { type: 'button', class: 'quiet earlier' }, texts.earlier);
  root.prepend(panel);

  const announce = (text: string) => {
    announcer.textContent = text;
  };

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
    leadView = undefined;
    signInView = undefined;
    composer.node.hidden = false;
    if (forms && settings.requiresLogin && !visitor.token) showSignIn(forms);
    else if (forms && (leadMode === 'before' || conversation.lead)) requireLead();
    else if (leadMode === 'request') offerLead();
    refresh();
  }
  function viewOf(turn: ChatTurn): TurnView {
    const view = createTurnView(turn, texts, {
      retry,
      rate,
      announce,
      grown: () => visible && log.follow(newest()),
    });
    views.set(turn.id, view);
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
        leadView?.update();
        remind();
        break;
      case 'unread':
        context.setUnread(change.count);
        break;
    }
  }

  function onTurn(turn: ChatTurn): void {
    const view = views.get(turn.id);
    if (view) view.update(turn);
    else {
      log.content.append(viewOf(turn).node);
      if (leadView) log.content.append(leadView.node);
      if (signInView) log.content.append(signInView.node);
    }
    refresh();
    if (!isOpen(turn)) {
      if (visible) announce(turn.reply || turn.error || texts.failed);
      else if (turn.state === 'answered' || turn.state === 'declined')
        conversation.setUnread(conversation.unread + 1);
    }
    if (visible) log.follow(newest());
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

  // ---- Who the visitor is

  function focusField(): void {
    if (composer.node.hidden) (signInView ?? leadView)?.focus();
    else composer.focus();
  }
  /** The server wants to know who asks, or knows better: what was kept of an earlier login is good no longer. */
  async function requireSignIn(): Promise<void> {
    const hadToken = visitor.token !== undefined;
    visitor.signedOut();
    // A token of the page's own can only be renewed by the page, which hears of the error. Where nobody has to sign in
    // any more, the next try needs no token.
    if (visitor.token !== undefined || (hadToken && !settings.requiresLogin)) return;
    forms ??= await loadForms();
    showSignIn(forms);
  }
  function showSignIn({ createSignIn }: NonNullable<typeof forms>): void {
    if (signInView) return;
    composer.node.hidden = true;
    signInView = createSignIn(texts, api, { email: visitor.user?.email }, (token, name) => {
      visitor.signedIn(token, name);
      greet();
      draw();
      announce(fill(name ? texts.welcomeName : texts.welcome, { name: name ?? '' }));
      focusField();
    });
    log.content.append(signInView.node);
  }

  /** Whether the answer that has just ended is the one after which the visitor is asked. */
  function isMoment(status: ChatTurn['state']): boolean {
    if (conversation.lead) return false;
    if (leadMode === 'unanswered') return status === 'declined';
    const isAnswer = ({ state }: Pick<ChatTurn, 'state'>) => state === 'answered' || state === 'declined';
    return (
      leadMode === 'after' &&
      isAnswer({ state: status }) &&
      conversation.turns.filter(isAnswer).length === (settings.leadAfter ?? 3)
    );
  }

  function makeLeadView(skip?: () => void): void {
    leadView = forms!.createLeadView(
      texts,
      api,
      conversation,
      {
        ...visitor.user,
        language: context.language,
        consent: settings.leadConsent ?? '',
        fields: settings.leadFields ?? [],
        resendSeconds: settings.leadResendSeconds ?? 60,
      },
      {
        announce,
        stage: (stage) => context.emit('lead', { stage }),
        ready() {
          composer.node.hidden = false;
          // Its thanks stay where they are.
          leadView = undefined;
          if (visible) composer.focus();
        },
        skip,
      },
    );
    log.content.append(leadView.node);
  }
  /** Nothing can be asked until the visitor's address is confirmed. */
  function requireLead(): void {
    if (conversation.lead?.stage === 'ready') return;
    composer.node.hidden = leadMode === 'before';
    makeLeadView(leadMode === 'before' ? undefined : skipLead);
  }
  function skipLead(): void {
    leadView?.destroy();
    leadView?.node.remove();
    leadView = undefined;
    conversation.setLead(undefined);
    composer.focus();
  }
  function offerLead(): void {
    if (leadView) return;
    const yes = h('button', { type: 'button', class: 'quiet' }, texts.leadOfferYes);
    const offer = h('div', { class: 'offer' }, h('p', {}, texts.leadOffer), yes);
    yes.addEventListener('click', () => {
      offer.remove();
      makeLeadView(skipLead);
      leadView?.focus();
    });
    log.content.append(offer);
  }

  // ---- The panel as a dialog

  /** On a phone the panel is the whole screen, above the keyboard. */
  const fitScreen = () => {
    const { visualViewport } = window;
    panel.style.setProperty('--height', `${visualViewport?.height ?? innerHeight}px`);
    panel.style.setProperty('--top', `${visualViewport?.offsetTop ?? 0}px`);
  };
  const isWholeScreen = () => getComputedStyle(panel).getPropertyValue('--whole').trim() === '1';

  panel.addEventListener('keydown', (event) => {
    // The page's own shortcuts must not act on what is typed here.
    event.stopPropagation();
    if (event.key === 'Escape' && !event.isComposing) context.close();
    if (event.key === 'Tab' && isWholeScreen()) keepFocus(panel, event);
  });
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

  setTimeout(warmUp, 100);
  greet();
  draw();
  online();
  context.setUnread(conversation.unread);
  driver.kick();

  return {
    show() {
      visible = true;
      panel.hidden = false;
      fitScreen();
      visualViewport?.addEventListener('resize', fitScreen);
      visualViewport?.addEventListener('scroll', fitScreen);
      panel.setAttribute('aria-modal', String(isWholeScreen()));
      conversation.setUnread(0);
      log.toEnd(newest());
      focusField();
    },
    hide() {
      visible = false;
      panel.hidden = true;
      conversation.setClosed();
      visualViewport?.removeEventListener('resize', fitScreen);
      visualViewport?.removeEventListener('scroll', fitScreen);
    },
    send: (text) => ask(text),
    identify(identity: Identity | undefined) {
      visitor.identify(identity);
      greet();
      if (signInView && visitor.token) draw();
    },
    logout() {
      visitor.forget();
      conversation.setLead(undefined);
      conversation.clear();
      greet();
    },
    destroy() {
      for (const view of views.values()) view.destroy();
      leadView?.destroy();
      driver.destroy();
      conversation.close();
      removeEventListener('online', online);
      removeEventListener('offline', online);
    },
  };
}

/** Tab goes round inside what covers the whole screen. */
function keepFocus(panel: HTMLElement, event: KeyboardEvent): void {
  const all = [
    ...panel.querySelectorAll<HTMLElement>('button, [href], input, textarea, summary, [tabindex="0"]'),
  ].filter((node) => node.getClientRects().length > 0);
  const active = (panel.getRootNode() as ShadowRoot).activeElement;
  const edge = event.shiftKey ? all[0] : all.at(-1);
  if (active !== edge) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}
