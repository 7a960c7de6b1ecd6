// Signing in at the site's own login, in the conversation. The password goes to the server and is kept nowhere.
import { loginRefusals } from '../../domain/login-refusals.ts';
import { h } from '../loader/dom.ts';
import type { Texts } from '../texts/en.ts';
import type { Api } from './api.ts';
import { createField, createForm, invalid } from './form.ts';

export interface SignInView {
  node: HTMLElement;
  focus(): void;
}

export function createSignIn(
  texts: Texts,
  api: Api,
  known: { email?: string | undefined },
  onSignedIn: (token: string, name: string | undefined) => void,
): SignInView {
  const [emailLabel, email] = createField(texts.leadEmail, {
    name: 'email',
    type: 'email',
    autocomplete: 'username',
    inputmode: 'email',
    dir: 'ltr',
  });
  const [passwordLabel, password] = createField(texts.signInPassword, {
    name: 'password',
    type: 'password',
    autocomplete: 'current-password',
    dir: 'ltr',
  });
  email.value = known.email ?? '';
  const form = createForm({
    title: texts.signIn,
    intro: texts.signInIntro,
    fields: [emailLabel, passwordLabel],
    submit: texts.signIn,
    explain: () => texts.unreachable,
    async onSubmit() {
      const address = email.value.trim();
      if (!address) return invalid(email, texts.leadEmailWrong);
      if (!password.value) return invalid(password, texts.signInWrong);
      const { token, user_name: name, error } = await api.signIn(address, password.value);
      password.value = '';
      if (token) {
        onSignedIn(token, name ?? undefined);
        return undefined;
      }
      if (error === loginRefusals.wrong) return invalid(password, texts.signInWrong);
      return error === loginRefusals.tooMany ? texts.leadBlocked : texts.unreachable;
    },
  });
  const node = h('section', { class: 'lead', 'aria-label': texts.signIn }, form);
  return { node, focus: () => (email.value ? password : email).focus({ preventScroll: true }) };
}
