// Who the visitor is, asked in the conversation: name and address, then the code that was mailed to it.
import { h } from '../loader/dom.ts';
import type { LeadField } from '../loader/settings.ts';
import type { Texts } from '../texts/en.ts';
import { fill } from '../texts/launcher.ts';
import { type Api, ApiError, type LeadReply } from './api.ts';
import type { Conversation, Lead } from './conversation.ts';
import { createField, createForm, invalid } from './form.ts';
import { createLeadFields } from './lead-fields.ts';
import { problemText } from './problems.ts';

export interface LeadView {
  node: HTMLElement;
  /** Shows the step that the conversation's lead is at. */
  update(): void;
  focus(): void;
  destroy(): void;
}

export function createLeadView(
  texts: Texts,
  api: Api,
  conversation: Conversation,
  known: {
    name?: string;
    email?: string;
    language: string;
    consent: string;
    fields: LeadField[];
    /** Until another code may be sent. */
    resendSeconds: number;
  },
  on: { ready(): void; stage(stage: string): void; announce(text: string): void; skip?: () => void },
): LeadView {
  const node = h('section', { class: 'lead', 'aria-label': texts.leadTitle });
  let countdown: ReturnType<typeof setInterval> | undefined;
  let shown = '';

  function keep(reply: LeadReply, values: Partial<Lead> = {}): void {
    const before = conversation.lead;
    const lead: Lead = { ...before, ...values, sessionId: reply.sessionId, stage: reply.stage };
    if (
      reply.stage === 'awaiting_otp' &&
      (before?.stage !== 'awaiting_otp' || values.resendAt || values.email)
    ) {
      lead.resendAt = Date.now() + known.resendSeconds * 1000;
    }
    conversation.setLead(lead);
    on.stage(lead.stage);
  }

  function explain(error: unknown): string {
    if (!(error instanceof ApiError)) return texts.unreachable;
    const { code } = error;
    if (code === 'ASSISTANT_SESSION_NOT_FOUND' || code === 'ASSISTANT_OTP_NOT_PENDING')
      conversation.setLead(undefined);
    return problemText(texts, error.status === 0 || error.status >= 500 ? {} : error, texts.unreachable);
  }

  function details(): HTMLFormElement {
    const lead = conversation.lead;
    const [nameLabel, name] = createField(texts.leadName, {
      name: 'name',
      autocomplete: 'name',
      maxlength: 100,
      dir: 'auto',
    });
    const [emailLabel, email] = createField(texts.leadEmail, {
      name: 'email',
      type: 'email',
      autocomplete: 'email',
      inputmode: 'email',
      dir: 'ltr',
    });
    name.value = lead?.name ?? known.name ?? '';
    email.value = lead?.email ?? known.email ?? '';
    const others = createLeadFields(known.fields, texts);
    const consent = h('input', { type: 'checkbox', name: 'consent', 'aria-describedby': 'wrong' });
    const consentLabel = h(
      'label',
      { class: 'consent' },
      consent,
      h('span', { dir: 'auto' }, known.consent || texts.leadConsent),
    );
    const skip = on.skip && h('button', { type: 'button', class: 'quiet', click: on.skip }, texts.leadSkip);
    return createForm({
      title: on.skip ? texts.leadOffer : texts.leadTitle,
      intro: texts.leadIntro,
      fields: [nameLabel, emailLabel, ...others.nodes, consentLabel],
      submit: texts.leadNext,
      others: [skip],
      explain: (error) => others.problemIn(error) ?? explain(error),
      async onSubmit() {
        const values = { name: name.value.trim(), email: email.value.trim() };
        if (!values.name) return invalid(name, texts.leadNameMissing);
        if (!/^\S+@\S+\.\S+$/.test(values.email)) return invalid(email, texts.leadEmailWrong);
        if (!consent.checked) return invalid(consent, texts.leadConsentMissing);
        // Each answer is kept, so that a broken connection goes on where it was.
        let reply: LeadReply = conversation.lead?.sessionId
          ? { ...conversation.lead, reply: '' }
          : await api.leadStart(known.language);
        if (reply.stage === 'ready') reply = await api.leadAsk(reply.sessionId);
        if (!conversation.lead) keep(reply);
        if (reply.stage === 'awaiting_name') {
          reply = await api.leadSay(reply.sessionId, values.name, others.values());
          keep(reply, values);
          if (reply.stage === 'awaiting_name') return invalid(name, reply.reply);
        }
        if (reply.stage === 'awaiting_email' || reply.stage === 'awaiting_otp') {
          reply = await api.leadSay(reply.sessionId, values.email, others.values());
          // With an address that is not taken nothing changes: the code of the one before is still awaited.
          if (reply.outcome?.startsWith('email_')) return invalid(email, reply.reply);
          // The code goes to another address now: that step is shown anew.
          if (reply.stage === 'awaiting_otp') shown = '';
          keep(reply, values);
          if (reply.stage === 'awaiting_email') return invalid(email, reply.reply);
        }
        return undefined;
      },
    });
  }

  function code(): HTMLFormElement {
    const lead = conversation.lead!;
    const [label, input] = createField(texts.leadCode, {
      name: 'code',
      autocomplete: 'one-time-code',
      inputmode: 'numeric',
      maxlength: 12,
      dir: 'ltr',
      class: 'code',
      placeholder: '••••••',
    });
    const resend = h('button', { type: 'button', class: 'quiet' });
    const change = h('button', { type: 'button', class: 'quiet' }, texts.leadChange);
    const made = createForm({
      title: texts.leadCodeTitle,
      intro: fill(texts.leadCodeIntro, { email: lead.email ?? '' }),
      fields: [label],
      submit: texts.leadVerify,
      others: [resend, change],
      explain,
      async onSubmit() {
        const digits = input.value.replace(/\D/g, '');
        if (digits.length !== 6) return invalid(input, texts.leadCodeWrong);
        try {
          keep(await api.leadVerify(lead.sessionId, digits));
        } catch (error) {
          input.select();
          return invalid(input, explain(error));
        }
        return undefined;
      },
    });
    // Pasted or filled in from the mail: nothing is left to press.
    input.addEventListener('input', () => {
      const digits = input.value.replace(/\D/g, '');
      if (input.value !== digits) input.value = digits.slice(0, 6);
      if (digits.length === 6) made.requestSubmit();
    });
    resend.addEventListener('click', async () => {
      if (resend.ariaDisabled === 'true') return;
      try {
        keep(await api.leadResend(lead.sessionId), { resendAt: 1 });
        on.announce(texts.leadResent);
        made.querySelector('.intro')!.textContent = texts.leadResent;
      } catch (error) {
        const wait = error instanceof ApiError ? error.retryAfterMs : undefined;
        if (wait && conversation.lead)
          conversation.setLead({ ...conversation.lead, resendAt: Date.now() + wait });
        made.querySelector('.wrong')!.textContent = explain(error);
      }
      input.focus();
    });
    change.addEventListener('click', () => {
      shown = 'change';
      show(details());
    });
    const tick = () => {
      const seconds = Math.ceil(((conversation.lead?.resendAt ?? 0) - Date.now()) / 1000);
      resend.ariaDisabled = String(seconds > 0);
      resend.textContent = seconds > 0 ? fill(texts.leadResendIn, { seconds }) : texts.leadResend;
    };
    tick();
    clearInterval(countdown);
    countdown = setInterval(tick, 1000);
    return made;
  }

  function show(form: HTMLElement): void {
    const { activeElement } = node.getRootNode() as ShadowRoot;
    const hadFocus = activeElement !== null && activeElement !== undefined && node.contains(activeElement);
    node.replaceChildren(form);
    if (hadFocus) view.focus();
  }

  const view: LeadView = {
    node,
    update() {
      const stage = conversation.lead?.stage;
      const step = stage === 'ready' || stage === 'awaiting_otp' ? stage : 'details';
      if (step === shown && step !== 'ready') return;
      if (shown === 'change' && step === 'details') return;
      shown = step;
      if (step === 'ready') {
        clearInterval(countdown);
        // Without a name: the project does not take contacts down.
        if (!conversation.lead?.name) {
          node.remove();
          on.ready();
          return;
        }
        const thanks = fill(texts.leadDone, { name: conversation.lead?.name ?? '' });
        node.replaceChildren(h('p', { class: 'thanks' }, thanks));
        on.announce(thanks);
        on.ready();
      } else if (step === 'awaiting_otp') {
        show(code());
      } else show(details());
    },
    focus: () => node.querySelector<HTMLElement>('input')?.focus({ preventScroll: true }),
    destroy: () => clearInterval(countdown),
  };
  view.update();
  return view;
}
