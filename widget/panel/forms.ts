// The forms that only some sites show: loaded by those.
export { createLeadView } from './lead.ts';
export { createSignIn } from './login.ts';
