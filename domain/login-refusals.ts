/** Why a visitor was not signed in: on the wire as it stands here, and said by the widget in its own languages. */
export const loginRefusals = {
  wrong: 'The e-mail address or the password is wrong.',
  away: 'The login of this site cannot be reached at the moment. Try again later.',
  tooMany: 'Too many attempts. Wait a minute and try again.',
  none: 'This site has no login here.',
} as const;
