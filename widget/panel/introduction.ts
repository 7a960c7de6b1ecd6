// How visitors say who they are, in the conversation: by signing in, or by leaving name and address.
import { h } from '../loader/dom.ts';
import type { LeadMode } from '../loader/options.ts';
import type { Settings } from '../loader/settings.ts';
import type { Texts } from '../texts/en.ts';
import { fill } from '../texts/launcher.ts';
import type { Api } from './api.ts';
import type { Composer } from './composer.ts';
import type { ChatTurn, Conversation } from './conversation.ts';
import type { LeadView } from './lead.ts';
import type { Log } from './log.ts';
import type { SignInView } from './login.ts';
import type { Visitor } from './visitor.ts';

export const loadForms = () => import('./forms.ts');
export type Forms = Awaited<ReturnType<typeof loadForms>>;

export interface IntroductionParts {
  texts: Texts;
  language: string;
  settings: Partial<Settings>;
  mode: LeadMode;
  /** Where they are not there yet, they are loaded when the server wants to know who asks. */
  forms: Forms | undefined;
  api: Api;
  conversation: Conversation;
  visitor: Visitor;
  /** Where the forms go, and what waits until they are filled in. */
  log: Log;
  composer: Composer;
}

const isAnswer = ({ state }: Pick<ChatTurn, 'state'>) => state === 'answered' || state === 'declined';

export function createIntroduction(
  parts: IntroductionParts,
  on: {
    signedIn(): void;
    stage(stage: string): void;
    announce(text: string): void;
    /** The visitor may ask now. */
    ready(): void;
  },
) {
  const { texts, language, settings, mode, api, conversation, visitor, log, composer } = parts;
  const { content } = log;
  let { forms } = parts;
  let lead: LeadView | undefined;
  let signIn: SignInView | undefined;
  let offer: HTMLElement | undefined;

  /** Everything anew: what was shown is gone from the screen already. */
  function draw(): void {
    lead?.destroy();
    lead = signIn = offer = undefined;
    composer.node.hidden = false;
    if (forms && settings.requiresLogin && !visitor.token) showSignIn(forms);
    else if (forms && (mode === 'before' || conversation.lead)) requireLead();
    else if (mode === 'request') offerLead();
  }

  // ---- Signing in

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
  function showSignIn({ createSignIn }: Forms): void {
    if (signIn) return;
    composer.node.hidden = true;
    signIn = createSignIn(texts, api, { email: visitor.user?.email }, (token, name) => {
      visitor.signedIn(token, name);
      on.signedIn();
      on.announce(fill(name ? texts.welcomeName : texts.welcome, { name: name ?? '' }));
      focus();
    });
    content.append(signIn.node);
  }

  // ---- Leaving name and address

  /** Whether the answer that has just ended is the one after which the visitor is asked. */
  function isMoment(state: ChatTurn['state']): boolean {
    if (conversation.lead) return false;
    if (mode === 'unanswered') return state === 'declined';
    const answers = () => conversation.turns.filter(isAnswer).length;
    return mode === 'after' && isAnswer({ state }) && answers() === (settings.leadAfter ?? 3);
  }
  function showLead(skip?: () => void): void {
    lead = forms!.createLeadView(
      texts,
      api,
      conversation,
      {
        ...visitor.user,
        language,
        consent: settings.leadConsent ?? '',
        fields: settings.leadFields ?? [],
        resendSeconds: settings.leadResendSeconds ?? 60,
      },
      {
        announce: on.announce,
        stage: on.stage,
        ready() {
          composer.node.hidden = false;
          // Its thanks stay where they are.
          lead = undefined;
          on.ready();
        },
        skip,
      },
    );
    content.append(lead.node);
  }
  /** Before the first question nothing can be asked until the visitor's address is confirmed. */
  function requireLead(): void {
    if (conversation.lead?.stage === 'ready') return;
    composer.node.hidden = mode === 'before';
    showLead(mode === 'before' ? undefined : skipLead);
  }
  function skipLead(): void {
    lead?.destroy();
    lead?.node.remove();
    lead = undefined;
    conversation.setLead(undefined);
    if (mode === 'request') offerLead();
    composer.focus();
  }
  function offerLead(): void {
    if (lead || offer) return;
    const yes = h('button', { type: 'button', class: 'quiet' }, texts.leadOfferYes);
    offer = h('div', { class: 'offer' }, h('p', {}, texts.leadOffer), yes);
    yes.addEventListener('click', () => {
      offer?.remove();
      offer = undefined;
      showLead(skipLead);
      focusOn(lead);
    });
    content.append(offer);
  }

  /** Puts the cursor where the visitor writes next. */
  function focus(): void {
    if (composer.node.hidden) focusOn(signIn ?? lead);
    else composer.focus();
  }
  /** From the form's beginning on, however small the screen. */
  function focusOn(form: LeadView | SignInView | undefined): void {
    if (!form) return;
    log.toEnd(form.node);
    form.focus();
  }

  return {
    draw,
    focus,
    requireSignIn,
    get isSigningIn() {
      return signIn !== undefined;
    },
    /** What is still open stays below the newest turn. */
    toEnd(): void {
      if (mode === 'request' && offer) content.append(offer);
      if (lead) content.append(lead.node);
      if (signIn) content.append(signIn.node);
    },
    /** A question has ended. */
    ended(state: ChatTurn['state']): void {
      if (isMoment(state)) offerLead();
    },
    /** The lead's step may be another. */
    update: () => lead?.update(),
    destroy: () => lead?.destroy(),
  };
}
